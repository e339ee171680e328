using System.Globalization;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// What a script costs the server where there are few names and where there are very many, each on a server of its own so that
/// all can be measured in turn; and where it is asked over one connection and over many.
/// </summary>
/// <remarks>What is told from ours, the largest, is no rival but the same in small.</remarks>
internal sealed class ScaleCase : IRivalCase
{
    private const string ByNames = "by names";

    private const string LeastByNames = "least by names";

    private const string ByConnections = "by connections";

    private const string One = "1 name";

    private const string More = "more than for one name";

    private const string LeastMore = "least more than for one name";

    private const double MostGrowth = 1.2;

    /// <summary>By so many times what the least grows ours may, where that is beyond <see cref="MostGrowth"/> already: its values are longer.</summary>
    private const double MostOfInevitable = 1.5;

    private readonly Effort _effort;

    private readonly Dictionary<string, CrowdedServer> _byNames = [];

    private readonly Dictionary<string, CrowdedServer> _byConnections = [];

    private ScaleCase(Effort effort) => _effort = effort;

    public IReadOnlyList<string> Contenders => [.. _byNames.Keys.Union(_byConnections.Keys)];

    public int TurnsARound => _effort.ShortTurns;

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

        // Among many keys those that are wanted are in no cache of the processor, whoever wants them.
        findings.AddOver(One, ByNames, More);
        findings.AddOver(One, LeastByNames, LeastMore);
        double inevitable = findings.Ratio(Contender.JobLocking, One, LeastByNames);
        double leastMore = findings.Of(Contender.JobLocking, LeastMore).Median;
        double more = findings.Of(Contender.JobLocking, More).Median;
        bool isBeyondReach = inevitable > MostGrowth && more <= MostOfInevitable * leastMore;
        return
        [
            isBeyondReach
                ? byNames with { Limit = string.Create(CultureInfo.InvariantCulture, $"scripts that set, delete and look up the same keys, and no more, take {inevitable:0.00} × as long among so many, by {leastMore:0.0} µs; ours by {more:0.0} µs") }
                : byNames,
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
