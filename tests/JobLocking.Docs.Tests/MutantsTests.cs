using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace JobLocking.Docs;

/// <summary>
/// tests/mutants.sh takes minutes and is not run every day. These tests check that its patches apply and name tests that exist.
/// </summary>
public sealed partial class MutantsTests
{
    private static readonly string[] Patches = Directory.GetFiles(Path.Combine(Repository.Root, "tests", "mutants"), "*.patch");

    [Fact]
    public void Every_mutant_applies() => Assert.All(Patches, patch =>
    {
        // As mutants.sh does it.
        using Process git = Process.Start(new ProcessStartInfo("git", ["apply", "--check", patch])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardError = true,
        })!;
        string error = git.StandardError.ReadToEnd();
        git.WaitForExit();
        Assert.True(git.ExitCode == 0, $"{Path.GetFileName(patch)} does not apply: update the patch.\n{error}");
    });

    [Fact]
    public void Every_mutant_says_what_it_breaks_and_names_tests_that_exist() => Assert.All(Patches, patch =>
    {
        string header = File.ReadAllText(patch).Split("--- a/", 2)[0];
        Assert.Matches("^Breaks: .+\n", header);
        MatchCollection killers = KilledBy().Matches(header);
        Assert.NotEmpty(killers);
        Assert.Equal(header.Split("Killed by:").Length - 1, killers.Count);
        Assert.All(killers, killer => Assert.True(
            Exists(killer.Groups["project"].Value, killer.Groups["class"].Value, killer.Groups["test"].Value),
            $"{Path.GetFileName(patch)} is {killer.Value}, which does not exist: update the patch."));
    });

    [Fact]
    public void There_are_mutants() => Assert.NotEmpty(Patches);

    /// <summary>The contract tests of every store are inherited from the TestKit.</summary>
    private static bool Exists(string project, string type, string test)
    {
        string[] own = Sources(project);
        return own.Any(source => Regex.IsMatch(source, $@"\bclass {type}\b"))
            && own.Concat(Sources("JobLocking.TestKit")).Any(source => Regex.IsMatch(source, $@"\bpublic (async )?\w+ {test}\("));
    }

    private static string[] Sources(string project)
    {
        string directory = Path.Combine(Repository.Root, "tests", project);
        return Directory.Exists(directory)
            ? [.. Directory.GetFiles(directory, "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText)]
            : [];
    }

    [GeneratedRegex(@"^Killed by: (?<project>\S+) (?<class>\w+)\.(?<test>\w+)$", RegexOptions.Multiline)]
    private static partial Regex KilledBy();
}
