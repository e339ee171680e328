using System.Diagnostics;
using JobLocking.Benchmarks.Rivals.Locks.Clients;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>Many callers of one process, each with a lock of its own, which it acquires and releases as fast as it can.</summary>
internal sealed class ThroughputCase(Dictionary<string, ILockClient> clients, Effort effort) : IRivalCase
{
    private const string Pairs = "pairs";

    private const int Callers = 64;

    private const double LeastOfRaw = 0.9;

    public IReadOnlyList<string> Contenders => LockClients.Contenders;

    public int WakeUpsARound => effort.ShortWakeUps;

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) => new ThroughputCase(await LockClients.StartAllAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        int each = effort.Of(50);
        TimeSpan[][] times = [.. Enumerable.Range(0, Callers).Select(_ => new TimeSpan[each])];

        long begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(times.Select((own, caller) => Task.Run(() => clients[contender].PairsAsync($"caller-{caller}", own), stop))).WaitAsync(stop);
        return new Dictionary<string, double> { [Pairs] = Callers * each / Stopwatch.GetElapsedTime(begun).TotalSeconds };
    }

    public IEnumerable<Row> Rows(Findings findings) =>
        [Row.Of(findings, Pairs, $"acquire + release, {Callers} callers, a name each", "pairs/s", $"≥ {LeastOfRaw} × raw", row => row.Ratio[Contender.Raw] >= LeastOfRaw)];

    public ValueTask DisposeAsync() => LockClients.DisposeAllAsync(clients);
}
