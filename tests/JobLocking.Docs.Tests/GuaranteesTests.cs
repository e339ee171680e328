using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace JobLocking.Docs;

public sealed partial class GuaranteesTests
{
    [Fact]
    public void Each_row_names_tests_that_exist()
    {
        string sources = string.Join('\n', Directory.GetFiles(Path.Combine(Repository.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        MatchCollection rows = Row().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "guarantees.md")));
        Assert.True(rows.Count > 15);
        Assert.Equal(Enumerable.Range(1, rows.Count), rows.Select(row => int.Parse(row.Groups["number"].Value, CultureInfo.InvariantCulture)));
        Assert.All(rows, row =>
        {
            MatchCollection tests = Test().Matches(row.Groups["tests"].Value);
            Assert.NotEmpty(tests);
            Assert.All(tests, test => Assert.Matches($@"\bclass {test.Groups["class"].Value}\b[\s\S]*\b(Task|void) {test.Groups["test"].Value}\(", sources));
        });
    }

    [GeneratedRegex(@"^\| (?<number>\d+) \|.*\| (?<tests>[^|]*) \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"`(?<class>\w+)\.(?<test>\w+_\w+)`")]
    private static partial Regex Test();
}
