using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>What docs/security.md tells an operator of Redis to type.</summary>
internal static class SecurityPage
{
    public static string Text { get; } = File.ReadAllText(Path.Combine(Root(), "docs", "security.md"));

    private static readonly string[] Line = Text.Split('\n')
        .Single(line => line.StartsWith("ACL SETUSER ", StringComparison.Ordinal))
        .Split(' ')[2..];

    public static string User => Line[0];

    public static string Password => Line.Single(rule => rule.StartsWith('>'))[1..];

    /// <summary>Commands, keys and channels.</summary>
    public static IReadOnlyList<string> Rights { get; } = [.. Line.Where(rule => rule[0] is '+' or '~' or '&')];

    /// <summary>The command of the page, for another user or without one right.</summary>
    public static object[] SetUser(string? user = null, string? without = null) =>
        ["SETUSER", user ?? User, .. Line[1..].Where(rule => rule != without)];

    private static string Root()
    {
        string? directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "JobLocking.sln")))
        {
            directory = Path.GetDirectoryName(directory);
            Assert.NotNull(directory);
        }

        return directory;
    }
}
