using System.Globalization;
using System.IO.Compression;
using System.Reflection;
using System.Xml.Linq;
using Xunit;

namespace JobLocking.Packages.Tests;

/// <summary>
/// The packages, and a folder outside the repository from which a project finds them. Their version is a new one each time: no cache has
/// it. Packages of others come from the caches and feeds of this machine.
/// </summary>
public sealed class PackedPackages : IAsyncLifetime
{
    public static readonly string[] Ids = ["JobLocking", "JobLocking.Hangfire", "JobLocking.OpenTelemetry", "JobLocking.Quartz", "JobLocking.Redis"];

    private readonly string _directory = Directory.CreateTempSubdirectory("joblocking-packages-").FullName;

    public static string Repository { get; } = Metadata("Repository");

    public string Version { get; } = string.Create(CultureInfo.InvariantCulture, $"0.0.0-test.{DateTimeOffset.UtcNow:yyyyMMddHHmmssfff}");

    public async ValueTask InitializeAsync()
    {
        // As built: packing takes seconds, building minutes.
        await Task.WhenAll(Ids.Select(id => Dotnet.RunAsync(
            Path.Combine(Repository, "src", id),
            "pack", "--no-build", "--configuration", Metadata("Configuration"), "--output", Packed, "-p:MinVerSkip=true", $"-p:Version={Version}")));
        await WriteAsync("nuget.config", $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="installed" /></config>
              <fallbackPackageFolders><add key="downloaded" value="{Metadata("Downloaded")}" /></fallbackPackageFolders>
              <packageSources><add key="packed" value="packed" /></packageSources>
            </configuration>
            """);

        // Nothing here asks for more than the packages do: a program runs on the lowest versions.
        await WriteAsync("Directory.Packages.props", $"""
            <Project>
              <PropertyGroup>
                <CentralPackageTransitivePinningEnabled>false</CentralPackageTransitivePinningEnabled>
                <JobLockingDependencies>lowest</JobLockingDependencies>
              </PropertyGroup>
              <Import Project="{Repository}Directory.Packages.props" />
              <ItemGroup>
                {string.Concat(Ids.Select(id => $"""<PackageVersion Include="{id}" Version="[{Version}]" />"""))}
              </ItemGroup>
            </Project>
            """);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_directory, recursive: true);
        return default;
    }

    /// <summary>An empty folder for a project.</summary>
    public string NewProject(string name) => Directory.CreateDirectory(Path.Combine(_directory, name)).FullName;

    public Task<ZipArchive> OpenAsync(string id, string extension = "nupkg") =>
        ZipFile.OpenReadAsync(Path.Combine(Packed, $"{id}.{Version}.{extension}"));

    public async Task<XElement> MetadataOfAsync(string id)
    {
        await using ZipArchive package = await OpenAsync(id);
        await using Stream file = await package.GetEntry($"{id}.nuspec")!.OpenAsync();
        XDocument nuspec = await XDocument.LoadAsync(file, LoadOptions.None, CancellationToken.None);
        return nuspec.Root!.Elements().Single(element => element.Name.LocalName == "metadata");
    }

    private string Packed => Path.Combine(_directory, "packed");

    private Task WriteAsync(string name, string text) => File.WriteAllTextAsync(Path.Combine(_directory, name), text);

    private static string Metadata(string key) =>
        typeof(PackedPackages).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(metadata => metadata.Key == key).Value!;
}
