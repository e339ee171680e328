using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using JobLocking.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace JobLocking.Docs;

/// <summary>The tables of docs/observability.md list everything that the packages report, and nothing else.</summary>
public sealed partial class ObservabilityTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "observability.md"));

    [Fact]
    public void The_table_of_log_events_has_the_id_name_and_level_of_each()
    {
        IEnumerable<string> documented = Event().Matches(Page).Select(row => $"{row.Groups["id"]} {row.Groups["name"]} {row.Groups["level"]}");
        IEnumerable<string> logged =
            from package in Packages()
            from type in package.GetTypes()
            where type.Name == "Log"
            from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static)
            let log = method.GetCustomAttribute<LoggerMessageAttribute>()
            orderby log.EventId
            select string.Create(CultureInfo.InvariantCulture, $"{log.EventId} {method.Name} {log.Level}");
        Assert.Equal(logged, documented);
    }

    [Fact]
    public void The_table_of_instruments_has_the_kind_and_unit_of_each()
    {
        IEnumerable<string> documented = Measure().Matches(Page).Select(row => $"{row.Groups["name"]} {row.Groups["kind"]} {row.Groups["unit"]}");
        Assert.Equal(Published(), documented);
    }

    [Fact]
    public void Every_public_name_is_on_the_page()
    {
        string[] names = [.. typeof(JobLockingDiagnostics).GetFields().Select(field => (string)field.GetRawConstantValue()!)];
        Assert.NotEmpty(names);
        Assert.All(names, name => Assert.Contains($"`{name}`", Page, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_name_on_the_page_exists()
    {
        IEnumerable<string> known = typeof(JobLockingDiagnostics).GetFields().Select(field => (string)field.GetRawConstantValue()!).Append("joblocking.acquire");
        Assert.Empty(Name().Matches(Page).Select(match => match.Groups["name"].Value).Distinct().Except(known));
    }

    private static IEnumerable<Assembly> Packages() =>
        from file in Directory.GetFiles(AppContext.BaseDirectory, "JobLocking*.dll")
        where Directory.Exists(Path.Combine(Repository.Root, "src", Path.GetFileNameWithoutExtension(file)))
        select Assembly.Load(Path.GetFileNameWithoutExtension(file));

    private static List<string> Published()
    {
        using ServiceProvider services = new ServiceCollection().AddMetrics().AddJobLocking().UseInMemory().Services.BuildServiceProvider();
        IMeterFactory meters = services.GetRequiredService<IMeterFactory>();
        List<string> published = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == JobLockingDiagnostics.MeterName && instrument.Meter.Scope == meters)
            {
                published.Add($"{instrument.Name} {Kind(instrument)} {instrument.Unit}");
            }
        };
        listener.Start();
        services.GetRequiredService<LockEngine>();
        return published;
    }

    private static string Kind(Instrument instrument) => instrument switch
    {
        Histogram<double> => "histogram",
        UpDownCounter<long> => "up-down counter",
        Counter<long> => "counter",
        _ => instrument.GetType().Name,
    };

    // | 1000 | Acquired | Debug | … |
    [GeneratedRegex(@"^\| (?<id>\d+) \| (?<name>\w+) \| (?<level>\w+) \|", RegexOptions.Multiline)]
    private static partial Regex Event();

    // | `joblocking.held` | up-down counter | `{lease}` | … |
    [GeneratedRegex(@"^\| `(?<name>joblocking\.[a-z._]+)` \| (?<kind>[a-z -]+) \| `(?<unit>[^`]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Measure();

    [GeneratedRegex(@"(?<name>joblocking\.[a-z_]+(\.[a-z_]+)?)")]
    private static partial Regex Name();
}
