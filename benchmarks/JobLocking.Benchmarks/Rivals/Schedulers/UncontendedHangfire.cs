using System.Linq.Expressions;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What an uncontended lock adds to a Hangfire job that does nothing, in three parts of a round:
/// <list type="bullet">
/// <item><description>One worker: the jobs run one after the other, a few of each kind in turn, so that the time from one to
/// the next is everything that one job costs, and the difference to a bare one is the cost of the lock. That is a small difference of large
/// figures, so all of them come from the same seconds of the same server, which has the filters for all kinds. What a filter costs jobs
/// without a lock is also in the bare ones; the jobs a second show it.</description></item>
/// <item><description>One worker and jobs of one kind in turn with bare ones: the requests for them.</description></item>
/// <item><description>As many workers as Hangfire has on a machine with four cores: how many jobs a second run, from the first one's start
/// to the last one's end, when the processor time of the locks counts too.</description></item>
/// </list>
/// The same requests by hand show how much of it is not ours, and as many plain commands how much of that is the cost of the fencing token
/// and the queue. Most of our commands on the server are steps within two scripts, so they are shown and not judged; the requests are
/// judged, because a worker or another client waits for each of them.
/// </summary>
internal sealed class UncontendedHangfire(HangfireRig rig, Effort effort) : IRivalCase
{
    /// <summary>This many jobs of one kind alternate with as many of another.</summary>
    private const int Stretch = 10;

    private const int StretchesOfEach = 100;

    /// <summary>Each job sends the same requests.</summary>
    private const int StretchesForRequests = 20;

    private const int AtOnce = 2000;

    private const int Workers = 20;

    /// <summary>How much of the cost of the same requests by hand ours may take, if those themselves miss the target.</summary>
    private const double Near = 0.25;

    private const string Cycle = "µs a job";

    private const string Rate = "jobs a second";

    // For one job with the lock and one bare job, so that the difference to two bare jobs is the cost over a bare job.
    private const string Requests = "requests a job";

    private const string StorageRequests = "of these to the storage";

    private const string Commands = "commands a job";

    public IReadOnlyList<string> Contenders { get; } =
    [
        SchedulerContender.Bare, SchedulerContender.DisableConcurrentExecution, Contender.JobLocking,
        SchedulerContender.RequestsByHand, SchedulerContender.PlainByHand,
    ];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) =>
        new UncontendedHangfire(await HangfireRig.StartAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        HangfireRound withBare = await OneByOneAsync([SchedulerContender.Bare, contender], StretchesForRequests, stop);
        HangfireRound atOnce = await RunAsync([contender], Workers, effort.Of(AtOnce), stop);
        double twoJobs = withBare.Timeline.Jobs / 2.0;
        Dictionary<string, double> measured = new()
        {
            [Rate] = atOnce.Timeline.Jobs / atOnce.Timeline.Whole.TotalSeconds,
            [Requests] = withBare.Traffic.Requests / twoJobs,
            [StorageRequests] = withBare.Traffic.Storage / twoJobs,
            [Commands] = withBare.Traffic.Commands / twoJobs,
        };
        if (contender == Contender.JobLocking)
        {
            Timeline all = (await OneByOneAsync(Contenders, StretchesOfEach, stop)).Timeline;
            foreach (string one in Contenders)
            {
                measured.Add(CycleOf(one), all.Cycles(job => InTurn(Contenders, job) == one).Median);
            }
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        yield return Row.Of(
            findings, Rate, $"Hangfire, nothing contended, {Workers} workers", "jobs/s", "none: shown, the overhead is judged", _ => true);
        foreach (string one in Contenders)
        {
            findings.HandOver(Contender.JobLocking, CycleOf(one), one, Cycle);
        }

        Row cycle = Over(Cycle, "µs");
        double theirs = cycle.Rivals[SchedulerContender.DisableConcurrentExecution];
        double byHand = cycle.Rivals[SchedulerContender.RequestsByHand];
        double plain = cycle.Rivals[SchedulerContender.PlainByHand];
        double queue = findings.Difference(SchedulerContender.RequestsByHand, SchedulerContender.PlainByHand, Cycle);
        double ours = findings.Difference(Contender.JobLocking, SchedulerContender.RequestsByHand, Cycle);
        yield return cycle.OrLimit(
            byHand > theirs && ours <= Near * byHand,
            $"the same requests by hand cost {byHand:0} µs over bare, {SchedulerContender.DisableConcurrentExecution} {theirs:0} µs: as many plain commands {plain:0} µs, the fence and the queue {queue:0} µs; the filter adds {ours:0} µs");
        yield return Over(Requests, "requests");
        yield return Over(StorageRequests, "requests");
        yield return Over(Commands, "commands") with { Target = "none: shown", Met = true };

        Row Over(string what, string unit)
        {
            string over = $"{what} over bare";
            findings.AddOver(SchedulerContender.Bare, what, over);
            return Row.Of(
                findings, over, $"Hangfire, nothing contended: {over}", unit, $"≤ {SchedulerContender.DisableConcurrentExecution}",
                row => row.JobLocking <= row.Rivals[SchedulerContender.DisableConcurrentExecution]);
        }
    }

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    private static string CycleOf(string contender) => $"{Cycle} of {contender}";

    private static string InTurn(IReadOnlyList<string> contenders, int job) => contenders[job / Stretch % contenders.Count];

    private Task<HangfireRound> OneByOneAsync(IReadOnlyList<string> inTurn, int stretchesOfEach, CancellationToken stop) =>
        RunAsync(inTurn, workers: 1, inTurn.Count * Stretch * effort.Of(stretchesOfEach), stop);

    private Task<HangfireRound> RunAsync(IReadOnlyList<string> inTurn, int workers, int jobs, CancellationToken stop)
    {
        return rig.RunAsync(Configure, workers, jobs, Job, _ => new EnqueuedState(), stop);

        void Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            if (inTurn.Contains(SchedulerContender.RequestsByHand) || inTurn.Contains(SchedulerContender.PlainByHand))
            {
                RequestsByHandFilter filter = new(rig.Locks, rig.Prefix);
                options.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { filter });
            }

            if (inTurn.Contains(Contender.JobLocking))
            {
                options.UseTaskLocks(services);
            }
        }

        Expression<Action<UncontendedHangfireJobs>> Job(int job) => InTurn(inTurn, job) switch
        {
            Contender.JobLocking => jobs => jobs.RunLocked(job),
            SchedulerContender.DisableConcurrentExecution => jobs => jobs.RunDisabled(job),
            SchedulerContender.RequestsByHand => jobs => jobs.RunByHand(job),
            SchedulerContender.PlainByHand => jobs => jobs.RunPlainByHand(job),
            _ => jobs => jobs.RunBare(job),
        };
    }
}
