using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace JobLocking.Docs;

/// <summary>The table of the attribute in docs/attribute.md is correct and complete.</summary>
public sealed partial class AttributeDefaultsTests
{
    private static readonly Dictionary<string, string> Documented = Row().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "attribute.md")))
        .ToDictionary(row => row.Groups["property"].Value, row => row.Groups["default"].Value);

    public static TheoryData<string> Properties => [.. typeof(TaskLockAttribute)
        .GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(property => property.CanWrite)
        .Select(property => property.Name)];

    [Theory]
    [MemberData(nameof(Properties))]
    public void A_property_has_the_default_that_the_table_says(string property)
    {
        object? actual = typeof(TaskLockAttribute).GetProperty(property)!.GetValue(new TaskLockAttribute("any"));
        string written = Convert.ToString(actual, CultureInfo.InvariantCulture)!;
        Assert.Equal(actual is bool ? written.ToLowerInvariant() : written, Documented.GetValueOrDefault(property));
    }

    [Fact]
    public void The_table_has_no_property_that_does_not_exist() =>
        Assert.Empty(Documented.Keys.Except(Properties.Select(row => row.Data)));

    // | `Expire` | `60` | … |
    [GeneratedRegex(@"^\| `(?<property>\w+)` \| `(?<default>\w+)`[^|]*\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
