using JobLocking.Benchmarks.Rivals.Locks.Held;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// Very many leases are held at once: what it costs to renew all of them for an interval, and how much memory each takes.
/// </summary>
internal sealed class RenewalCase(BenchmarkRedis redis, Effort effort, Dictionary<string, IHeldLeases> contenders, TimeSpan expiry) : IRivalCase
{
    private const string Commands = "commands";

    private const string Processor = "processor";

    private const string ServerProcessor = "processor of the server";

    private const string Weight = "weight";

    private const string Lost = "lost";

    /// <summary>Leases are taken by this many callers at once.</summary>
    private const int Callers = 100;

    private const int Intervals = 2;

    /// <summary>The runtime begins to optimise a method after thirty calls, and the renewal is called once an interval.</summary>
    private const int IntervalsBeforeAll = 35;

    private const double MostOfTheirs = 0.1;

    /// <summary>
    /// How much of the cost of the same scripts by hand ours may take, if those already exceed <see cref="MostOfTheirs"/>: the work by hand
    /// does not track when a lease is due, what became of it, or when its holder has to learn that it is lost.
    /// </summary>
    private const double MostOfRaw = 1.5;

    private readonly TimeSpan _interval = expiry / 3;

    private readonly int _count = effort.Of(10_000);

    private readonly HashSet<string> _warm = [];

    private int _round;

    public IReadOnlyList<string> Contenders => [.. contenders.Keys];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort)
    {
        TimeSpan expiry = TimeSpan.FromSeconds(effort.Share < 1 ? 1.5 : 4.5);
        return new RenewalCase(
            redis,
            effort,
            new Dictionary<string, IHeldLeases>
            {
                [Contender.JobLocking] = await JobLockingLeases.StartAsync(redis, expiry),
                [Contender.Raw] = new RawLeases(await redis.ConnectAsync(), $"{redis.Prefix}raw-held:"),
                [Contender.DistributedLock] = new DistributedLockLeases(await redis.ConnectAsync(), $"{redis.Prefix}distributed-lock-held:", expiry),
            },
            expiry);
    }

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        IHeldLeases leases = contenders[contender];
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await HoldAsync(leases);
        long weight = GC.GetTotalMemory(forceFullCollection: true) - before;

        // The first interval is not counted: then the leases are still due one after the other, as they were taken.
        await leases.RenewAsync(_interval, _warm.Add(contender) ? effort.Of(IntervalsBeforeAll) : 1, stop);
        Usage used = await UsageAsync(leases, () => leases.RenewAsync(_interval, Intervals, stop));
        int lost = leases.Lost();

        // What the process needs anyway, for its connections and timers, belongs to no contender.
        await leases.ReleaseAsync();
        GC.Collect();
        await Task.Delay(_interval, stop);
        Usage idle = await UsageAsync(leases, () => Task.Delay(Intervals * _interval, stop));
        Dictionary<string, double> measured = new()
        {
            [Commands] = (used.Requests - idle.Requests) / Intervals,
            [Processor] = (used.Own - idle.Own) / Intervals,
            [ServerProcessor] = (used.Server - idle.Server) / Intervals,
            [Lost] = lost,
        };
        if (contender != Contender.Raw)
        {
            measured[Weight] = (double)weight / _count;
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        string what = $"{_count:#,0} held leases renewed";
        Row processor = Row.Of(
            findings, Processor, $"{what}: processor time an interval", "ms", "≤ 1/10 of DistributedLock.Redis", row => row.Ratio[Contender.DistributedLock] <= MostOfTheirs);
        double floor = findings.Ratio(Contender.Raw, Contender.DistributedLock, Processor);
        bool isBeyondReach = floor > MostOfTheirs && processor.Ratio[Contender.Raw] <= MostOfRaw;
        return
        [
            Row.Of(findings, Commands, $"{what}: sent an interval", "requests", "≤ 1/50 of DistributedLock.Redis", row => row.Ratio[Contender.DistributedLock] <= 1 / 50.0),
            processor.OrLimit(isBeyondReach, $"the same scripts by hand need {floor:0.00} × as much as DistributedLock.Redis; ours are {processor.Ratio[Contender.Raw]:0.00} × that"),
            Row.Of(findings, ServerProcessor, $"{what}: processor time of the server an interval", "ms", "none: shown", _ => true),
            Row.Of(findings, Lost, $"{what}: lost", "leases", "0", row => row.Most == 0),
            Row.Of(findings, Weight, "a held lease: heap", "B", "none: shown", _ => true),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IHeldLeases leases in contenders.Values)
        {
            await leases.DisposeAsync();
        }
    }

    private async Task HoldAsync(IHeldLeases leases)
    {
        int round = ++_round;
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) <= _count;)
            {
                await leases.HoldAsync($"lease-{round}-{i}");
            }
        })));
    }

    private async Task<Usage> UsageAsync(IHeldLeases leases, Func<Task> during)
    {
        long requests = leases.Requests;
        TimeSpan server = await redis.ProcessorTimeAsync();
        TimeSpan own = Environment.CpuUsage.TotalTime;
        await during();
        return new Usage(
            leases.Requests - requests, (Environment.CpuUsage.TotalTime - own).TotalMilliseconds, (await redis.ProcessorTimeAsync() - server).TotalMilliseconds);
    }

    /// <param name="Requests">Sent by the connection of the leases.</param>
    /// <param name="Own">Processor time of this process, ms.</param>
    /// <param name="Server">Processor time of Redis, ms.</param>
    private readonly record struct Usage(double Requests, double Own, double Server);
}
