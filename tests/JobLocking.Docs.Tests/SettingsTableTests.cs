using JobLocking.Policy;
using Xunit;

namespace JobLocking.Docs;

public sealed class SettingsTableTests
{
    [Fact]
    public void The_table_of_the_settings_in_the_documentation_matches_the_code()
    {
        string[] rows = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "configuration.md"))
            .SkipWhile(line => line != "| setting | unit | default and range |").Skip(2).TakeWhile(line => line.StartsWith('|'))];
        Assert.Equal(LockSettingRules.All.Select(rule => $"| `{rule.Name}` | {rule.Unit} | {rule.Range} |".Replace("|  |", "| |", StringComparison.Ordinal)), rows);
    }
}
