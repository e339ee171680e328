using System.Text.RegularExpressions;
using Xunit;

namespace JobLocking.Docs;

/// <summary>Code that a reader copies from a document compiles, because it is in a region of a file of this project.</summary>
public sealed partial class CodeBlocksTests
{
    private static readonly Dictionary<string, string> Regions = Directory
        .GetFiles(Path.Combine(Repository.Root, "tests", "JobLocking.Docs.Tests", "Snippets"), "*.cs")
        .SelectMany(file => Region().Matches(File.ReadAllText(file)))
        .ToDictionary(match => match.Groups["name"].Value, match => Outdent(match.Groups["code"].Value));

    public static TheoryData<string, string> Blocks => [.. Repository.Documents()
        .SelectMany(file => CodeBlock().Matches(File.ReadAllText(file)).Select(match => (Path.GetRelativePath(Repository.Root, file), match.Groups["code"].Value)))];

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Every_block_of_code_in_a_document_is_a_compiled_region(string document, string code) =>
        Assert.True(Regions.ContainsValue(Outdent(code)), $"This block of {document} equals no region under Snippets:\n{code}");

    [Fact]
    public void Every_region_is_used_in_a_document()
    {
        string[] blocks = [.. Blocks.Select(row => Outdent(row.Data.Item2))];
        Assert.NotEmpty(Regions);
        Assert.All(Regions, region => Assert.Contains(region.Value, blocks));
    }

    private static string Outdent(string code)
    {
        string[] lines = [.. code.ReplaceLineEndings("\n").Trim('\n').Split('\n').Select(line => line.TrimEnd())];
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indent..] : line));
    }

    [GeneratedRegex(@"^ *```csharp\r?\n(?<code>.*?)^ *```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"^ *#region (?<name>\S+)\r?\n(?<code>.*?)\n *#endregion", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Region();
}
