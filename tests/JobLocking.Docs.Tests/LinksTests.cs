using System.Text.RegularExpressions;
using Xunit;

namespace JobLocking.Docs;

/// <summary>A relative link in a document leads to a file or folder of the repository, and its anchor to a heading there.</summary>
public sealed partial class LinksTests
{
    public static TheoryData<string, string> Links => [.. Repository.Documents()
        .SelectMany(file => Link().Matches(File.ReadAllText(file)).Select(match => (Path.GetRelativePath(Repository.Root, file), match.Groups["target"].Value)))
        .Where(link => IsRelative(link.Value) || link.Value.StartsWith(Repository.OnGitHub, StringComparison.Ordinal))
        .Distinct()];

    [Theory]
    [MemberData(nameof(Links))]
    public void Every_link_in_a_document_leads_somewhere(string document, string link)
    {
        string[] parts = link.Split('#');
        string source = Path.Combine(Repository.Root, document);
        string target = parts[0].Length == 0 ? source
            : IsRelative(link) ? Path.Combine(Path.GetDirectoryName(source)!, parts[0])
            : Path.Combine(Repository.Root, parts[0][Repository.OnGitHub.Length..]);
        Assert.True(Path.Exists(target), $"{document} links to {link}, which does not exist.");
        if (parts.Length > 1)
        {
            IEnumerable<string> anchors = Heading().Matches(File.ReadAllText(target)).Select(match => Anchor(match.Groups["text"].Value));
            Assert.Contains(parts[1], anchors);
        }
    }

    [Fact]
    public void Every_page_is_in_the_index()
    {
        string docs = Path.Combine(Repository.Root, "docs");
        string index = Path.Combine(docs, "README.md");
        string[] linked = [.. Link().Matches(File.ReadAllText(index)).Select(match => Path.GetFullPath(Path.Combine(docs, match.Groups["target"].Value)))];
        Assert.Empty(Directory.GetFiles(docs, "*.md").Except(linked).Except([index]));
    }

    [Fact]
    public void The_readme_of_a_package_has_no_relative_links_because_the_package_has_no_other_documents()
    {
        Assert.NotEmpty(Repository.PackageReadMes());
        Assert.All(Repository.PackageReadMes(), readme =>
            Assert.DoesNotContain(Link().Matches(File.ReadAllText(readme)), match => IsRelative(match.Groups["target"].Value)));
    }

    private static bool IsRelative(string link) => !link.Contains("://", StringComparison.Ordinal);

    /// <summary>As GitHub makes it from a heading.</summary>
    private static string Anchor(string heading) => Dropped().Replace(heading.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex Dropped();
}
