using System.Globalization;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// What a script costs the server with few names and with very many, each on a server of its own so that all can be measured in turn; and
/// over one connection and over many.
/// </summary>
/// <remarks>The others are not rivals: they do the same on a smaller scale than ours, the largest.</remarks>
internal sealed class ScaleCase : IRivalCase
{
    private const string ByNames = "by names";

    private const string LeastByNames = "least by names";

    private const string ByConnections = "by connections";

    private const string One = "1 name";

    private const double MostGrowth = 1.2;

    /// <summary>
    /// The share of <see cref="MostGrowth"/>: if the least possible work takes more than this share of it, nothing that does more can stay
    /// within it.
    /// </summary>
    private const double Nearly = 0.75;

    /// <summary>In that case ours may grow by this multiple of the least.</summary>
    private const double MostOfLeast = 1.35;

    private readonly Effort _effort;

    private readonly Dictionary<string, CrowdedServer> _byNames = [];

    private readonly Dictionary<string, CrowdedServer> _byConnections = [];

    private ScaleCase(Effort effort) => _effort = effort;

    public IReadOnlyList<string> Contenders => [.. _byNames.Keys.Union(_byConnections.Keys)];

    public int WakeUpsARound => _effort.ShortWakeUps;

    public static async Task<IRivalCase> StartAsync(Effort effort)
    {
        ScaleCase started = new(effort);
        foreach ((string contender, int names) in new[] { (Contender.JobLocking, effort.Of(100_000)), ("1,000 names", effort.Of(1000)), (One, 1) })
        {
            started._byNames.Add(contender, await CrowdedServer.StartAsync(names, connections: 1));
        }

        foreach ((string contender, int connections) in new[] { (Contender.JobLocking, 64), ("8 connections", 8), ("1 connection", 1) })
        {
            started._byConnections.Add(contender, await CrowdedServer.StartAsync(names: 1000, connections));
        }

        return started;
    }

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        Dictionary<string, double> measured = [];
        int pairs = _effort.Of(1000);
        if (_byNames.TryGetValue(contender, out CrowdedServer? names))
        {
            measured[ByNames] = await names.MeasureAsync(pairs, stop);
            measured[LeastByNames] = await names.MeasureLeastAsync(pairs, stop);
        }

        if (_byConnections.TryGetValue(contender, out CrowdedServer? connections))
        {
            measured[ByConnections] = await connections.MeasureAsync(pairs, stop);
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        Row byNames = Flat(findings, ByNames, $"server time a script, among {_effort.Of(100_000):#,0} names, half of them held");

        // With many keys, those that are needed are in no cache of the processor, for any contender.
        double least = findings.Difference(Contender.JobLocking, One, LeastByNames);
        double ours = findings.Difference(Contender.JobLocking, One, ByNames);
        double allowed = (MostGrowth - 1) * findings.Of(One, ByNames).Median;
        return
        [
            byNames.OrLimit(
                least > Nearly * allowed && ours <= MostOfLeast * least,
                string.Create(CultureInfo.InvariantCulture, $"{MostGrowth} × allows {allowed:0.0} µs more; two scripts that read and write the same keys, and no more, take {least:0.0} µs more among so many, ours {ours:0.0} µs")),
            Flat(findings, ByConnections, "server time a script, asked over 64 connections at once"),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (CrowdedServer server in _byNames.Values.Concat(_byConnections.Values))
        {
            await server.DisposeAsync();
        }
    }

    private static Row Flat(Findings findings, string what, string @case) => Row.Of(
        findings, what, @case, "µs", $"flat: ≤ {MostGrowth} × the smallest", row => row.Ratio.Values.All(ratio => ratio <= MostGrowth));
}
