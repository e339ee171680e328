namespace JobLocking.Docs;

/// <summary>The working copy that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>All documents that people read, as far as they are not the README of a folder of code.</summary>
    public static IEnumerable<string> Documents() =>
        Directory.GetFiles(Root, "*.md")
            .Append(Path.Combine(Root, "llms.txt"))
            .Append(Path.Combine(Root, "samples", "WorkerHost", "README.md"))
            .Concat(Directory.GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories));

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
