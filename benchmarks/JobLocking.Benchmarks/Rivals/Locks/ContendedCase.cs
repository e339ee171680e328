using JobLocking.Benchmarks.Rivals.Locks.Clients;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// A try on a held lock: held by another node, which only Redis knows, or by this process itself, which needs no request.
/// </summary>
internal sealed class ContendedCase(BenchmarkRedis redis, Dictionary<string, ILockClient> holders, Dictionary<string, ILockClient> clients, Effort effort) : IRivalCase
{
    private const string Latency = "latency";

    private const string Requests = "requests";

    private const string Scripts = "scripts";

    private const string DeferralLatency = "latency of a deferral";

    private const string DeferralRequests = "requests of a deferral";

    private const string OwnLatency = "own latency";

    private const string OwnRequests = "own requests";

    /// <summary>Within this factor it counts as equally fast: two contenders that do the same differ by as much from run to run.</summary>
    private const double Alike = 1.05;

    public IReadOnlyList<string> Contenders => LockClients.Contenders;

    public int WakeUpsARound => effort.ShortestTurns;

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) =>
        new ContendedCase(redis, await LockClients.StartAllAsync(redis), await LockClients.StartAllAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        ILockClient client = clients[contender];

        // RedLock.net sleeps within a try, and tries three times.
        TimeSpan[] times = new TimeSpan[contender == Contender.RedLock ? 1 : effort.Of(200)];
        Dictionary<string, double> measured = [];
        await using (await holders[contender].HoldAsync("theirs"))
        {
            // One more than is counted: a script that the server does not know yet is sent twice.
            await client.TriesAsync("theirs", new TimeSpan[1]).WaitAsync(stop);

            long requests = client.Requests;
            long scripts = (await redis.ScriptsAsync()).Calls;
            await client.TriesAsync("theirs", times).WaitAsync(stop);
            measured[Requests] = (double)(client.Requests - requests) / times.Length;
            measured[Latency] = new Spread(times).P50 * 1000;
            if (contender is Contender.JobLocking or Contender.Raw)
            {
                measured[Scripts] = (double)((await redis.ScriptsAsync()).Calls - scripts) / times.Length;
            }
        }

        if (client is JobLockingClient ours)
        {
            await MeasureOwnAsync(ours, measured, stop);
            await MeasureDeferralsAsync(ours, measured, stop);
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings) =>
    [
        Row.Of(findings, Latency, "contended try, held by another node: p50", "µs", $"no slower than raw (≤ {Alike} ×)", row => row.Ratio[Contender.Raw] <= Alike),
        Row.Of(findings, Scripts, "contended try, held by another node: EVALSHA (commandstats)", "commands", "1", row => row is { Least: 1, Most: 1 }),
        Row.Of(findings, Requests, "contended try, held by another node: sent", "requests", "1", row => Math.Round(row.JobLocking, 2) == 1),
        Row.Of(findings, DeferralLatency, "refused and queued, held by another node: p50", "µs", "none: shown", _ => true),
        Row.Of(findings, DeferralRequests, "refused and queued, held by another node: sent", "requests", "2", row => Math.Round(row.JobLocking, 2) == 2),
        Row.Of(findings, OwnLatency, "contended try, held by this process", "µs", "< 1 µs", row => row.JobLocking < 1),
        Row.Of(findings, OwnRequests, "contended try, held by this process: sent and executed", "commands", "0", row => row.Most == 0),
    ];

    public async ValueTask DisposeAsync()
    {
        await LockClients.DisposeAllAsync(clients);
        await LockClients.DisposeAllAsync(holders);
    }

    private async Task MeasureDeferralsAsync(JobLockingClient client, Dictionary<string, double> measured, CancellationToken stop)
    {
        TimeSpan[] times = new TimeSpan[effort.Of(40)];
        await using (await holders[Contender.JobLocking].HoldAsync("theirs"))
        {
            measured[DeferralRequests] = (double)await client.DeferralsAsync("theirs", times, stop) / times.Length;
            measured[DeferralLatency] = new Spread(times).P50 * 1000;
        }
    }

    private async Task MeasureOwnAsync(JobLockingClient client, Dictionary<string, double> measured, CancellationToken stop)
    {
        TimeSpan[] times = new TimeSpan[effort.Of(5000)];
        await using (await client.HoldAsync("own"))
        {
            long requests = client.Requests;
            long scripts = (await redis.ScriptsAsync()).Calls;
            await client.TriesAsync("own", times).WaitAsync(stop);
            measured[OwnRequests] = client.Requests - requests + (await redis.ScriptsAsync()).Calls - scripts;

            // The mean: for less than a microsecond, the clock says little about a single try.
            measured[OwnLatency] = times.Average(time => time.TotalMicroseconds);
        }
    }
}
