using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What a lock that nobody else wants adds to the firing of a Quartz job that does nothing, with the store in memory. All
/// triggers are due before the scheduler is let go, and it has one thread: firings follow each other, so that the time from
/// one to the next is all that one firing costs. It is measured against the same pair of acquire and release alone, and
/// against a middleware that takes the lock by hand, which no lock on this Redis can be cheaper than.
/// </summary>
internal sealed class UncontendedQuartz(IReadOnlyDictionary<string, QuartzRig> rigs, Effort effort) : IRivalCase
{
    private const int Firings = 3000;

    /// <summary>So much may the adapter itself take, in µs.</summary>
    private const double Allowance = 20;

    /// <summary>Of the firings a second that taking the lock by hand leaves, so many are to be left by the adapter.</summary>
    private const double Share = 0.9;

    private const string Cycle = "µs a firing";

    private const string Over = $"{Cycle} over bare";

    private const string OverByHand = $"{Cycle} over the lock by hand";

    private const string Rate = "firings a second";

    public IReadOnlyList<string> Contenders { get; } =
        [SchedulerContender.Bare, SchedulerContender.DisallowConcurrentExecution, Contender.JobLocking, SchedulerContender.LockByHand, SchedulerContender.Pair];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) => new UncontendedQuartz(
        new Dictionary<string, QuartzRig>
        {
            [SchedulerContender.Bare] = await QuartzRig.StartAsync<UncontendedQuartzJob>(redis, "bare"),
            [SchedulerContender.DisallowConcurrentExecution] = await QuartzRig.StartAsync<UncontendedQuartzJob.Disallowed>(redis, "disallowed"),
            [Contender.JobLocking] = await QuartzRig.StartAsync<UncontendedQuartzJob.Locked>(redis, "locked", quartz => quartz.AddTaskLocks()),
            [SchedulerContender.LockByHand] = await QuartzRig.StartAsync<UncontendedQuartzJob>(
                redis, "by-hand", quartz => quartz.AddJobMiddleware(services => new LockByHandMiddleware(services.GetRequiredService<ITaskLocks>()))),
        },
        effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        int firings = effort.Of(Firings);
        if (contender == SchedulerContender.Pair)
        {
            // On the node whose firings it is compared with. It is no firing, so that nothing is taken off.
            return new Dictionary<string, double> { [Over] = (await rigs[Contender.JobLocking].MedianPairAsync(firings, stop)).TotalMicroseconds };
        }

        Timeline timeline = await rigs[contender].RunAsync(firings, stop);
        return new Dictionary<string, double>
        {
            [Cycle] = timeline.MedianCycle(_ => true).TotalMicroseconds,
            [Rate] = firings / timeline.Whole.TotalSeconds,
        };
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        yield return Row.Of(
            findings, Rate, "Quartz, nothing contended", "firings/s", $"≥ {Share} × {SchedulerContender.LockByHand}",
            row => row.Ratio[SchedulerContender.LockByHand] >= Share);

        findings.AddOver(SchedulerContender.Bare, Cycle, Over);
        Row over = Row.Of(
            findings, Over, $"Quartz, nothing contended: {Over}", "µs", $"≤ {SchedulerContender.Pair} + {Allowance} µs",
            row => row.JobLocking <= row.Rivals[SchedulerContender.Pair] + Allowance);
        double byHand = over.Rivals[SchedulerContender.LockByHand];

        // Of each round, like the ratios: the difference of the medians would be that of different moments.
        findings.AddOver(SchedulerContender.LockByHand, Over, OverByHand);
        double adapter = findings.Of(Contender.JobLocking, OverByHand).Median;
        bool isBeyondReach = byHand > over.Rivals[SchedulerContender.Pair] + Allowance && adapter <= Allowance;
        yield return !isBeyondReach ? over : over with
        {
            Limit = $"a middleware that only takes the lock by hand costs {byHand:0} µs over bare; the adapter adds {adapter:0} µs to that",
        };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (QuartzRig rig in rigs.Values)
        {
            await rig.DisposeAsync();
        }
    }
}
