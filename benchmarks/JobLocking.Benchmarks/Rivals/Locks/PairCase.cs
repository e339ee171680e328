using JobLocking.Benchmarks.Rivals.Locks.Clients;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>One caller acquires and releases a free lock, again and again: how long that takes, and how much it allocates.</summary>
internal sealed class PairCase(Dictionary<string, ILockClient> clients, Effort effort) : IRivalCase
{
    private const string Latency = "latency";

    private const string Allocated = "allocated";

    private const double MostOfRaw = 1.15;

    private const double MostBytesOverRaw = 700;

    public IReadOnlyList<string> Contenders => LockClients.Contenders;

    public int WakeUpsARound => effort.ShortestTurns;

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) => new PairCase(await LockClients.StartAllAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        TimeSpan[] times = new TimeSpan[effort.Of(200)];

        // For the whole process: allocations on the threads of the connection are part of the cost.
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await clients[contender].PairsAsync("pair", times).WaitAsync(stop);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        return new Dictionary<string, double>
        {
            [Latency] = new Spread(times).P50 * 1000,
            [Allocated] = (double)allocated / times.Length,
        };
    }

    public IEnumerable<Row> Rows(Findings findings) =>
    [
        Row.Of(findings, Latency, "acquire + release, one caller: p50", "µs", $"≤ {MostOfRaw} × raw", row => row.Ratio[Contender.Raw] <= MostOfRaw),
        Row.Of(
            findings,
            Allocated,
            "acquire + release: allocated",
            "B",
            $"≤ raw + {MostBytesOverRaw} B, < 0.5 × DistributedLock.Redis",
            row => row.JobLocking <= row.Rivals[Contender.Raw] + MostBytesOverRaw && row.Ratio[Contender.DistributedLock] < 0.5),
    ];

    public ValueTask DisposeAsync() => LockClients.DisposeAllAsync(clients);
}
