using System.IO.Compression;
using System.Xml.Linq;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Packages.Tests;

/// <summary>Uses the packed packages in a project outside the repository.</summary>
public sealed class PackagesTests(PackedPackages packages) : IClassFixture<PackedPackages>
{
    public static TheoryData<string> Ids => [.. PackedPackages.Ids];

    [Fact]
    public void Every_project_in_src_is_a_package_that_these_tests_know() => Assert.Equal(
        Directory.GetFiles(Path.Combine(PackedPackages.Repository, "src"), "*.csproj", SearchOption.AllDirectories)
            .Select(file => Path.GetFileNameWithoutExtension(file))
            .Order(StringComparer.Ordinal),
        PackedPackages.Ids);

    [Theory]
    [MemberData(nameof(Ids))]
    public async Task A_package_says_what_it_is_and_has_its_symbols(string id)
    {
        XElement metadata = await packages.MetadataOfAsync(id);
        Assert.Equal("MIT", Value("license"));
        Assert.All(["description", "tags", "projectUrl", "releaseNotes", "copyright"], name => Assert.NotEqual("", Value(name)));
        Assert.NotNull(metadata.Elements().Single(element => element.Name.LocalName == "repository").Attribute("commit"));

        await using ZipArchive package = await packages.OpenAsync(id);
        string[] files = [.. package.Entries.Select(entry => entry.FullName)];
        Assert.All([Value("readme"), Value("icon"), $"lib/net10.0/{id}.dll", $"lib/net10.0/{id}.xml"], file => Assert.Contains(file, files));

        await using ZipArchive symbols = await packages.OpenAsync(id, "snupkg");
        Assert.Contains(symbols.Entries, entry => entry.FullName == $"lib/net10.0/{id}.pdb");

        string Value(string name) => metadata.Elements().Single(element => element.Name.LocalName == name).Value;
    }

    [Fact]
    public async Task The_code_of_the_documents_compiles_and_two_processes_run_each_occurrence_once()
    {
        string project = packages.NewProject("consumer");
        Copy(Path.Combine("tests", "JobLocking.Packages.Tests", "Consumer"), project);
        Copy(Path.Combine("tests", "JobLocking.Docs.Tests", "Snippets"), project);
        await Dotnet.RunAsync(project, "build", "--output", "bin");

        await using RedisServer redis = await RedisServer.StartAsync();
        string program = Path.Combine(project, "bin", "Consumer.dll");
        WorkerProcess[] workers = await Task.WhenAll(
            WorkerProcess.RunAsync(program, redis.ConnectionString), WorkerProcess.RunAsync(program, redis.ConnectionString));
        try
        {
            Array.ForEach(workers, worker => worker.Tell("42"));
            await Eventually.IsTrueAsync(() => workers.Sum(worker => worker.Count("mailed 42")) == workers.Length);

            string[] occurrences = await Eventually.SeesAsync(() => FiredByAll(workers), fired => fired.Length >= 3);
            Array.ForEach(workers, worker => worker.EndInput());
            Assert.All(await Task.WhenAll(workers.Select(worker => worker.EndsAsync())), code => Assert.Equal(0, code));
            Assert.All(occurrences, occurrence => Assert.Equal((occurrence, 1), (occurrence, workers.Sum(worker => worker.Count($"ran {occurrence}")))));
        }
        finally
        {
            await Task.WhenAll(workers.Select(worker => worker.DisposeAsync().AsTask()));
        }
    }

    [Fact]
    public async Task A_project_that_asks_for_the_lowest_versions_gets_them()
    {
        XElement[][] metadata = [.. await Task.WhenAll(PackedPackages.Ids.Select(async id => (await packages.MetadataOfAsync(id)).Descendants().ToArray()))];
        IEnumerable<(string Id, string Version)> lowest = metadata.SelectMany(elements => elements)
            .Where(element => element.Name.LocalName == "dependency")
            .Select(dependency => (dependency.Attribute("id")!.Value, dependency.Attribute("version")!.Value))
            .Where(dependency => !PackedPackages.Ids.Contains(dependency.Item1))
            .Distinct();
        string project = packages.NewProject("lowest");
        await File.WriteAllTextAsync(Path.Combine(project, "Lowest.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <WarningsNotAsErrors>NU1603</WarningsNotAsErrors>
              </PropertyGroup>
              <ItemGroup>
                {string.Concat(PackedPackages.Ids.Select(id => $"""<PackageReference Include="{id}" />"""))}
                {string.Concat(lowest.Select(package => $"""<PackageReference Include="{package.Id}" VersionOverride="[{package.Version}]" />"""))}
              </ItemGroup>
            </Project>
            """);
        await Dotnet.RunAsync(project, "restore");
    }

    /// <summary>The occurrences that each process has fired.</summary>
    private static string[] FiredByAll(WorkerProcess[] workers) =>
        [.. workers.Select(worker => worker.Facts.Where(fact => fact.StartsWith("fired ", StringComparison.Ordinal)).Select(fact => fact["fired ".Length..]))
            .Aggregate((some, others) => some.Intersect(others))];

    private static void Copy(string folder, string project)
    {
        foreach (string file in Directory.GetFiles(Path.Combine(PackedPackages.Repository, folder)))
        {
            File.Copy(file, Path.Combine(project, Path.GetFileName(file)));
        }
    }
}
