using JobLocking.Benchmarks.Rivals.Locks;
using JobLocking.Benchmarks.Rivals.Schedulers;

namespace JobLocking.Benchmarks.Rivals;

/// <summary>All cases, one after the other; within each all contenders in turn, so that a slow moment of the machine meets all of them.</summary>
internal static class RivalsRun
{
    /// <summary>For one round of one contender.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private static readonly IReadOnlyList<(string Name, Func<BenchmarkRedis, Effort, Task<IRivalCase>> StartAsync)> Cases =
    [
        ("pair", PairCase.StartAsync),
        ("throughput", ThroughputCase.StartAsync),
        ("contended", ContendedCase.StartAsync),
        ("handoff", HandoffCase.StartAsync),
        ("renewal", RenewalCase.StartAsync),
        ("scale", (_, effort) => ScaleCase.StartAsync(effort)),
        ("hangfire", UncontendedHangfire.StartAsync),
        ("hangfire-contended", ContendedHangfire.StartAsync),
        ("quartz", UncontendedQuartz.StartAsync),
    ];

    public static IEnumerable<string> Names => Cases.Select(one => one.Name);

    /// <exception cref="TimeoutException">A contender did not come to the end of a round.</exception>
    public static async IAsyncEnumerable<Row> MeasureAsync(BenchmarkRedis redis, Effort effort, string? only)
    {
        foreach ((string name, Func<BenchmarkRedis, Effort, Task<IRivalCase>> startAsync) in Cases.Where(one => only is null || one.Name == only))
        {
            await using IRivalCase one = await startAsync(redis, effort);
            Findings findings = new();
            for (int round = 0; round <= effort.Rounds; round++)
            {
                for (int i = 0; i < one.Contenders.Count; i++)
                {
                    // Another one begins each round: whoever comes first finds the machine as the last one left it.
                    string contender = one.Contenders[(i + round) % one.Contenders.Count];
                    IReadOnlyDictionary<string, double> measured = await MeasureAsync(one, name, contender);
                    if (round > 0)
                    {
                        findings.Add(contender, measured);
                    }
                }
            }

            foreach (Row row in one.Rows(findings))
            {
                yield return row;
            }
        }
    }

    private static async Task<IReadOnlyDictionary<string, double>> MeasureAsync(IRivalCase one, string name, string contender)
    {
        using CancellationTokenSource patience = new(Patience);
        try
        {
            return await one.MeasureAsync(contender, patience.Token);
        }
        catch (OperationCanceledException e) when (patience.IsCancellationRequested)
        {
            throw new TimeoutException($"{name}: {contender} did not come to the end of a round within {Patience.TotalMinutes} minutes.", e);
        }
    }
}
