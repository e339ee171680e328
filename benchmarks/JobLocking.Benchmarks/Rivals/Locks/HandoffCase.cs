using JobLocking.Benchmarks.Handoff;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>From the release of a lock until the next one holds it: one waiter in another node, a line of them in several, and lines of all lengths in one.</summary>
internal sealed class HandoffCase : IRivalCase
{
    private const string Time = "time";

    private const string LineTime = "time in a line";

    private const string TripsAfterPause = "trips after a pause";

    private const string TripsBackToBack = "trips back to back";

    private const string LineTripsAfterPause = "trips in a line after a pause";

    private const string LineTripsBackToBack = "trips in a line back to back";

    private const string Requests = "requests";

    private const string Commands = "commands";

    private const int LineLength = 50;

    private const double MostTrips = 3;

    /// <summary>The share of a handoff by hand that ours may take, if the handoff by hand itself exceeds <see cref="MostTrips"/>.</summary>
    private const double MostOfRaw = 1.25;

    private readonly BenchmarkRedis _redis;

    private readonly Effort _effort;

    private readonly JobLockingNodes _ours;

    private readonly DistributedLockNodes _theirs;

    private readonly RawNodes _raw;

    private readonly IConnectionMultiplexer _connection;

    /// <summary>Lines in one other node, by their names in the table; our column shows the longest.</summary>
    private readonly Dictionary<string, int> _shorterLines = new() { ["with 1 waiter"] = 1, ["with 10 waiters"] = 10 };

    private HandoffCase(
        BenchmarkRedis redis, Effort effort, JobLockingNodes ours, DistributedLockNodes theirs, RawNodes raw, IConnectionMultiplexer connection)
    {
        _redis = redis;
        _effort = effort;
        _ours = ours;
        _theirs = theirs;
        _raw = raw;
        _connection = connection;
    }

    public IReadOnlyList<string> Contenders => [Contender.JobLocking, Contender.Raw, Contender.DistributedLock, .. _shorterLines.Keys];

    public int WakeUpsARound => _effort.ShortWakeUps;

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) => new HandoffCase(
        redis,
        effort,
        await JobLockingNodes.StartAsync(redis),
        await DistributedLockNodes.StartAsync(redis),
        await RawNodes.StartAsync(redis),
        await redis.ConnectAsync());

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        Dictionary<string, double> measured = [];
        if (_shorterLines.TryGetValue(contender, out int length))
        {
            await MeasureTrafficAsync(length, measured, stop);
            return measured;
        }

        ILockNodes nodes = contender switch { Contender.JobLocking => _ours, Contender.Raw => _raw, _ => _theirs };
        RoundTrips roundTrips = new(_connection);
        await roundTrips.MeasureAsync(stop);

        // Polling takes a thousand times as long as the others: fewer measurements are enough.
        double one = await MeasureAsync(new WaitersInPlace(nodes, 1, _redis), contender == Contender.DistributedLock ? 1 : _effort.Of(8), stop);
        measured[Time] = one;
        measured[TripsAfterPause] = one / roundTrips.Idle.P50;
        measured[TripsBackToBack] = one / roundTrips.Busy.P50;
        double line = await MeasureAsync(new WaitersInPlace(nodes, LineLength, _redis), 1, stop);
        measured[LineTime] = line;
        measured[LineTripsAfterPause] = line / roundTrips.Idle.P50;
        measured[LineTripsBackToBack] = line / roundTrips.Busy.P50;
        if (contender == Contender.JobLocking)
        {
            await MeasureTrafficAsync(LineLength, measured, stop);
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings) =>
    [
        Row.Of(
            findings, Time, "handoff, 1 waiter in another node: p50", "ms", "≥ 100 × sooner than DistributedLock.Redis", row => row.Ratio[Contender.DistributedLock] <= 0.01),
        Trips(findings, Time, TripsAfterPause, "handoff, 1 waiter: p50, in PINGs after a pause"),
        Trips(findings, Time, TripsBackToBack, "handoff, 1 waiter: p50, in PINGs back to back"),
        Row.Of(
            findings,
            LineTime,
            $"handoff, {LineLength} waiters in {ILockNodes.Count - 1} other nodes: p50",
            "ms",
            "sooner than DistributedLock.Redis, which polls as often as it has waiters",
            row => row.Ratio[Contender.DistributedLock] < 1),
        Trips(findings, LineTime, LineTripsAfterPause, $"handoff, {LineLength} waiters: p50, in PINGs after a pause"),
        Trips(findings, LineTime, LineTripsBackToBack, $"handoff, {LineLength} waiters: p50, in PINGs back to back"),
        Alike(findings, Commands, "executed"),
        Alike(findings, Requests, "sent"),
    ];

    public async ValueTask DisposeAsync()
    {
        await _ours.DisposeAsync();
        await _theirs.DisposeAsync();
        await _raw.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private static Row Trips(Findings findings, string time, string what, string @case)
    {
        Row row = Row.Of(findings, what, @case, "trips", $"≤ {MostTrips} round trips", row => row.JobLocking <= MostTrips);

        // If it takes longer even by hand, the cause is the threads that have to be woken on the way; a PING wakes none.
        double raw = row.Rivals[Contender.Raw];
        double overRaw = findings.Ratio(Contender.JobLocking, Contender.Raw, time);
        return row.OrLimit(
            raw > MostTrips && overRaw <= MostOfRaw,
            $"by hand a release, its wake-up and an acquire take {raw:0.0} of these round trips; ours take {overRaw:0.00} × as long");
    }

    private static Row Alike(Findings findings, string what, string how) => Row.Of(
        findings,
        what,
        $"handoff, {LineLength} waiters in one process: {how}, each",
        what,
        "the same, whatever the number of waiters (± 10 %)",
        row => row.Ratio.Values.All(ratio => ratio is > 0.9 and < 1.1));

    private static async Task<double> MeasureAsync(WaitersInPlace waiters, int times, CancellationToken stop)
    {
        List<TimeSpan> all = [];
        for (int i = 0; i < times; i++)
        {
            all.AddRange((await waiters.MeasureAsync(stop)).Times);
        }

        return new Spread(all).P50;
    }

    /// <summary>The number of lines that gives the same number of handoffs, however long a line is.</summary>
    private async Task MeasureTrafficAsync(int length, Dictionary<string, double> measured, CancellationToken stop)
    {
        WaitersInPlace waiters = new(_ours, length, _redis, others: 1);
        Traffic traffic = default;
        int lines = Math.Max(1, _effort.Of(LineLength) / length);
        for (int i = 0; i < lines; i++)
        {
            traffic += (await waiters.MeasureAsync(stop)).Traffic;
        }

        measured[Requests] = (double)traffic.Requests / (lines * length);
        measured[Commands] = (double)traffic.Commands / (lines * length);
    }
}
