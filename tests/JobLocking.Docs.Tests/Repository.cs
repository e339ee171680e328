namespace JobLocking.Docs;

/// <summary>The working copy that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The address of the files of the repository, for readers who have only a package.</summary>
    public const string OnGitHub = "https://github.com/joblocking/joblocking/blob/main/";

    /// <summary>All documents that people read, as far as they are not the README of a folder of code.</summary>
    public static IEnumerable<string> Documents() =>
    [
        .. Directory.GetFiles(Root, "*.md"),
        Path.Combine(Root, "llms.txt"),
        Path.Combine(Root, "samples", "WorkerHost", "README.md"),
        .. Directory.GetFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories),
        .. PackageReadMes(),
    ];

    /// <summary>The readme of each package, as nuget.org shows it.</summary>
    public static IEnumerable<string> PackageReadMes() => Directory.GetFiles(Path.Combine(Root, "src"), "PACKAGE.md", SearchOption.AllDirectories);

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
