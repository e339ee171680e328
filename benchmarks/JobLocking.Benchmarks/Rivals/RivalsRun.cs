using System.Diagnostics;
using JobLocking.Benchmarks.Rivals.Locks;
using JobLocking.Benchmarks.Rivals.Schedulers;

namespace JobLocking.Benchmarks.Rivals;

/// <summary>
/// All cases, one after the other, each in a process of its own: the runtime optimises frequently called code for the way in which it was
/// called first, and in a worker no other benchmark calls that code first. Within a case all contenders take turns, so that a slow moment
/// of the machine affects all of them.
/// </summary>
internal static class RivalsRun
{
    /// <summary>The limit for one turn of one contender.</summary>
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

    /// <summary>All cases; each process writes its own rows.</summary>
    /// <param name="argumentsOf">The arguments of a process that measures this case alone.</param>
    /// <exception cref="InvalidOperationException">A case did not end, and has reported why.</exception>
    public static async Task RunAllAsync(Func<string, IEnumerable<string>> argumentsOf, CancellationToken stop)
    {
        foreach (string name in Names)
        {
            string self = Path.Combine(AppContext.BaseDirectory, $"{typeof(RivalsRun).Assembly.GetName().Name}.dll");
            using Process process = Process.Start("dotnet", [self, .. argumentsOf(name)]);
            try
            {
                await process.WaitForExitAsync(stop);
            }
            finally
            {
                process.Kill(entireProcessTree: true);
            }

            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"{name} ended with exit code {process.ExitCode}.");
            }
        }
    }

    /// <summary>One case, in this process.</summary>
    /// <exception cref="TimeoutException">A contender did not finish a round.</exception>
    public static async IAsyncEnumerable<Row> MeasureAsync(BenchmarkRedis redis, Effort effort, string name)
    {
        await using IRivalCase one = await Cases.Single(one => one.Name == name).StartAsync(redis, effort);
        Findings findings = new();
        for (int turn = 0; turn < (1 + effort.Rounds) * one.WakeUpsARound; turn++)
        {
            // In another order each time: each contender finds the machine as the one before left it.
            string[] contenders = [.. one.Contenders];
            Random.Shared.Shuffle(contenders);
            Dictionary<string, IReadOnlyDictionary<string, double>> measured = [];
            foreach (string contender in contenders)
            {
                measured.Add(contender, await MeasureAsync(one, name, contender));
            }

            if (turn >= one.WakeUpsARound)
            {
                foreach (string contender in one.Contenders)
                {
                    findings.Add(contender, measured[contender]);
                }
            }
        }

        foreach (Row row in one.Rows(findings))
        {
            yield return row;
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
