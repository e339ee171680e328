using System.Reflection;
using JobLocking.Redis.Scripts;
using Xunit;

namespace JobLocking.Redis.Tests.Scripts;

public sealed class LockScriptsTests
{
    private static readonly FieldInfo[] Fields = typeof(LockScripts).GetFields(BindingFlags.Public | BindingFlags.Static);

    [Fact]
    public void Each_embedded_script_has_its_field()
    {
        string[] embedded = [.. typeof(LockScripts).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".lua", StringComparison.Ordinal))];

        Assert.NotEmpty(embedded);
        Assert.Equal(embedded.Order(StringComparer.Ordinal), Fields.Select(field => $"{field.Name.ToLowerInvariant()}.lua").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_script_begins_with_what_it_is_given_and_has_nothing_that_a_server_stumbles_over()
    {
        foreach (FieldInfo field in Fields)
        {
            string script = (string)field.GetValue(null)!;

            Assert.StartsWith("-- ", script, StringComparison.Ordinal); // neither BOM nor shebang
            Assert.DoesNotContain("\r", script, StringComparison.Ordinal);
            Assert.Contains("-- KEYS", script, StringComparison.Ordinal);
            Assert.Contains("-- Result", script, StringComparison.Ordinal);
            Assert.True(!script.Contains("ARGV[1]", StringComparison.Ordinal) || script.Contains("-- ARGV", StringComparison.Ordinal), field.Name);
        }
    }
}
