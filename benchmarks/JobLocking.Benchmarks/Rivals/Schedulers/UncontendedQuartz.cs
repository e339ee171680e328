using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What an uncontended lock adds to the firing of a Quartz job that does nothing, with the store in memory. All triggers are due before the
/// scheduler starts, and it has one thread: firings follow each other, so the time from one to the next is everything that one firing
/// costs. It is measured against the same pair of acquire and release alone, and against a middleware that takes the lock by hand: no lock
/// on this Redis can be cheaper.
/// <para>
/// The adapter adds a few µs to more than a hundred, which vary with the machine: firings by attribute and by hand take turns in one
/// scheduler, a few of each, on the same connection and at the same moments.
/// </para>
/// </summary>
internal sealed class UncontendedQuartz(QuartzRig unlocked, QuartzRig locked, Effort effort) : IRivalCase
{
    /// <summary>This many firings by attribute alternate with as many by hand.</summary>
    private const int Stretch = 10;

    private const int StretchesOfEach = 300;

    /// <summary>How much the adapter itself may take, in µs.</summary>
    private const double Allowance = 20;

    /// <summary>The share of the firings a second with the lock taken by hand that the adapter has to reach.</summary>
    private const double Share = 0.9;

    private const string Cycle = "µs a firing";

    private const string Over = $"{Cycle} over bare";

    private const string Rate = "firings a second";

    private const string CycleByHand = $"{Cycle}, by hand beside it";

    private const string RateByHand = $"{Rate}, by hand beside it";

    /// <summary>Without the middleware that takes the lock by hand, whose firings are among ours.</summary>
    public IReadOnlyList<string> Contenders { get; } =
        [SchedulerContender.Bare, SchedulerContender.DisallowConcurrentExecution, Contender.JobLocking, SchedulerContender.Pair];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) => new UncontendedQuartz(
        await QuartzRig.StartAsync(redis, "unlocked"),
        await QuartzRig.StartAsync(redis, "locked", quartz => quartz
            .AddJobMiddleware(services => new LockByHandMiddleware(services.GetRequiredService<ITaskLocks>()))
            .AddTaskLocks()),
        effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        int firings = Stretch * effort.Of(StretchesOfEach);
        switch (contender)
        {
            case SchedulerContender.Pair:
                // On the node whose firings it is compared with. It is no firing, so nothing is subtracted.
                return new Dictionary<string, double> { [Over] = (await locked.MedianPairAsync(firings, stop)).TotalMicroseconds };
            case Contender.JobLocking:
                Timeline both = await locked.RunAsync(2 * firings, job => IsByHand(job) ? typeof(UncontendedQuartzJob.ByHand) : typeof(UncontendedQuartzJob.Locked), stop);
                Cycles byHand = both.Cycles(IsByHand);
                Cycles ours = both.Cycles(job => !IsByHand(job));
                return new Dictionary<string, double>
                {
                    [Cycle] = ours.Median,
                    [Rate] = ours.Rate,
                    [CycleByHand] = byHand.Median,
                    [RateByHand] = byHand.Rate,
                };
            default:
                Type type = contender == SchedulerContender.Bare ? typeof(UncontendedQuartzJob) : typeof(UncontendedQuartzJob.Disallowed);
                Cycles alone = (await unlocked.RunAsync(firings, _ => type, stop)).Cycles(_ => true);
                return new Dictionary<string, double> { [Cycle] = alone.Median, [Rate] = alone.Rate };
        }
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        findings.HandOver(Contender.JobLocking, CycleByHand, SchedulerContender.LockByHand, Cycle);
        findings.HandOver(Contender.JobLocking, RateByHand, SchedulerContender.LockByHand, Rate);
        yield return Row.Of(
            findings, Rate, "Quartz, nothing contended", "firings/s", $"≥ {Share} × {SchedulerContender.LockByHand}",
            row => row.Ratio[SchedulerContender.LockByHand] >= Share);

        findings.AddOver(SchedulerContender.Bare, Cycle, Over);
        Row over = Row.Of(
            findings, Over, $"Quartz, nothing contended: {Over}", "µs", $"≤ {SchedulerContender.Pair} + {Allowance} µs",
            row => row.JobLocking <= row.Rivals[SchedulerContender.Pair] + Allowance);

        // For each round, like the ratios: the difference of the medians would compare different moments.
        double adapter = findings.Difference(Contender.JobLocking, SchedulerContender.LockByHand, Cycle);
        double byHand = over.Rivals[SchedulerContender.LockByHand];
        bool isBeyondReach = byHand > over.Rivals[SchedulerContender.Pair] + Allowance && adapter <= Allowance;
        yield return over.OrLimit(
            isBeyondReach, $"in a middleware that does nothing else the pair costs {byHand:0} µs over bare; the adapter adds {adapter:0} µs to that");
    }

    private static bool IsByHand(int job) => job / Stretch % 2 == 0;

    public async ValueTask DisposeAsync()
    {
        await unlocked.DisposeAsync();
        await locked.DisposeAsync();
    }
}
