using System.Reflection;
using System.Text.RegularExpressions;
using JobLocking.Redis.Scripts;
using Xunit;

namespace JobLocking.Redis.Tests.Scripts;

public sealed partial class LockScriptsTests
{
    private static readonly FieldInfo[] Fields = typeof(LockScripts).GetFields(BindingFlags.Public | BindingFlags.Static);

    private static readonly string[] Embedded =
        [.. typeof(LockScripts).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".lua", StringComparison.Ordinal))];

    [Fact]
    public void Each_embedded_script_has_its_field_and_each_part_is_in_use()
    {
        ILookup<bool, string> files = Embedded.ToLookup(file => Text(file).StartsWith("-- Part of other scripts", StringComparison.Ordinal));

        Assert.Equal(files[false].Order(StringComparer.Ordinal), Fields.Select(File).Order(StringComparer.Ordinal));
        Assert.NotEmpty(files[true]);
        Assert.All(files[true], part => Assert.Contains(Fields, field => Sent(field).Contains(Text(part), StringComparison.Ordinal)));
    }

    [Fact]
    public void A_script_is_sent_with_all_parts_that_its_parts_need()
    {
        foreach (FieldInfo field in Fields)
        {
            foreach (string part in Embedded.Where(file => Sent(field).Contains(Text(file), StringComparison.Ordinal)))
            {
                foreach (string needed in Embedded.Where(file => NeededBy(Text(part)).Contains(file)))
                {
                    Assert.True(
                        Sent(field).IndexOf(Text(needed), StringComparison.Ordinal) is >= 0 and var at && at < Sent(field).IndexOf(Text(part), StringComparison.Ordinal),
                        $"{field.Name} lacks {needed}");
                }
            }
        }
    }

    [Fact]
    public void A_script_begins_with_the_list_of_its_inputs_and_has_nothing_that_a_server_rejects()
    {
        foreach (FieldInfo field in Fields)
        {
            string script = Text(File(field));

            Assert.EndsWith(script, Sent(field), StringComparison.Ordinal);
            Assert.StartsWith("-- ", Sent(field), StringComparison.Ordinal); // neither BOM nor shebang
            Assert.DoesNotContain("\r", Sent(field), StringComparison.Ordinal);
            Assert.DoesNotContain("\uFEFF", Sent(field), StringComparison.Ordinal);
            Assert.Contains("-- KEYS", script, StringComparison.Ordinal);
            Assert.Contains("-- Result", script, StringComparison.Ordinal);
            Assert.True(!script.Contains("ARGV[1]", StringComparison.Ordinal) || script.Contains("-- ARGV", StringComparison.Ordinal), field.Name);
        }
    }

    // AcquireShared is acquire_shared.lua.
    private static string File(FieldInfo field) =>
        string.Concat(field.Name.Select((c, i) => i > 0 && char.IsUpper(c) ? $"_{c}" : $"{c}")).ToLowerInvariant() + ".lua";

    private static string Sent(FieldInfo field) => ((LockScript)field.GetValue(null)!).Text;

    private static string[] NeededBy(string text) =>
        Needs().Match(text) is { Success: true } match ? [.. match.Groups[1].Value.Split([" and ", ", "], StringSplitOptions.None).Select(part => $"{part}.lua")] : [];

    private static string Text(string file)
    {
        using StreamReader reader = new(typeof(LockScripts).Assembly.GetManifestResourceStream(file)!);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("Needs ([a-z, ]+)\\.")]
    private static partial Regex Needs();
}
