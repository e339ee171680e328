namespace JobLocking.Docs;

/// <summary>The working copy that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string ReadMe { get; } = Path.Combine(Root, "README.md");

    /// <summary>All documents that people read.</summary>
    public static IEnumerable<string> Documents() =>
        Directory.GetFiles(Root, "*.md").Concat(
            Directory.Exists(Path.Combine(Root, "docs")) ? Directory.GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories) : []);

    private static string FindRoot()
    {
        string? directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "JobLocking.sln")))
        {
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException($"No JobLocking.sln above {AppContext.BaseDirectory}.");
        }

        return directory;
    }
}
