using System.Linq.Expressions;
using Hangfire;
using Hangfire.Common;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What a lock that nobody else wants adds to a Hangfire job that does nothing, in two parts of a round:
/// <list type="bullet">
/// <item><description>One worker: the jobs run one after the other, a few bare ones in turn with as many that have the lock,
/// so that the time from one to the next is all that one job costs, and the difference between both kinds is the lock. It
/// is a difference of figures that are many times larger: both come from the same seconds of the same server.</description></item>
/// <item><description>As many workers as Hangfire has on a machine with four cores: how many jobs a second get through, from
/// the first one's begin to the last one's end, when what the locks cost the processors counts too.</description></item>
/// </list>
/// The same requests by hand show what of it is not ours, and as many plain commands what of that the fence and the queue are.
/// Requests are those of the first part. Of the commands on the server most of ours are steps within two scripts, so that
/// they are shown and not judged; what is judged are the requests that are sent, each of which a worker or another client
/// waits for.
/// </summary>
internal sealed class UncontendedHangfire(HangfireRig rig, Effort effort) : IRivalCase
{
    /// <summary>So many bare jobs in turn with so many that have the lock.</summary>
    private const int Stretch = 10;

    private const int StretchesOfEach = 100;

    private const int AtOnce = 2000;

    private const int Workers = 20;

    /// <summary>By so much may we be above the same requests by hand, where those are out of reach already.</summary>
    private const double Near = 1.25;

    private const string Cycle = "µs a job over bare";

    private const string Rate = "jobs a second";

    // Of one job that has the lock and a bare one, so that what it is over the same of two bare ones is what it is over bare.
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
        HangfireRound oneByOne = await RunAsync(contender, workers: 1, 2 * Stretch * effort.Of(StretchesOfEach), IsBare, stop);
        HangfireRound atOnce = await RunAsync(contender, Workers, effort.Of(AtOnce), isBare: _ => false, stop);
        double twoJobs = oneByOne.Timeline.Jobs / 2.0;
        Dictionary<string, double> measured = new()
        {
            [Rate] = atOnce.Timeline.Jobs / atOnce.Timeline.Whole.TotalSeconds,
            [Requests] = oneByOne.Traffic.Requests / twoJobs,
            [StorageRequests] = oneByOne.Traffic.Storage / twoJobs,
            [Commands] = oneByOne.Traffic.Commands / twoJobs,
        };
        if (contender != SchedulerContender.Bare)
        {
            measured.Add(Cycle, oneByOne.Timeline.Cycles(job => !IsBare(job)).Median - oneByOne.Timeline.Cycles(IsBare).Median);
        }

        return measured;
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        yield return Row.Of(
            findings, Rate, $"Hangfire, nothing contended, {Workers} workers", "jobs/s", "none: shown, the overhead is judged", _ => true);
        Row cycle = NoMoreThanTheirs(Cycle, "µs");
        double theirs = cycle.Rivals[SchedulerContender.DisableConcurrentExecution];
        double byHand = cycle.Rivals[SchedulerContender.RequestsByHand];
        double plain = cycle.Rivals[SchedulerContender.PlainByHand];
        bool isBeyondReach = byHand > theirs && cycle.Ratio[SchedulerContender.RequestsByHand] <= Near;
        yield return !isBeyondReach ? cycle : cycle with
        {
            Limit = $"the same requests by hand cost {byHand:0} µs over bare, {byHand / theirs:0.0} × {SchedulerContender.DisableConcurrentExecution}: as many plain commands {plain:0} µs, the fence and the queue {byHand - plain:0} µs",
        };
        yield return Over(Requests, "requests");
        yield return Over(StorageRequests, "requests");
        yield return Over(Commands, "commands") with { Target = "none: shown", Met = true };

        Row Over(string what, string unit)
        {
            string over = $"{what} over bare";
            findings.AddOver(SchedulerContender.Bare, what, over);
            return NoMoreThanTheirs(over, unit);
        }

        Row NoMoreThanTheirs(string what, string unit) => Row.Of(
            findings, what, $"Hangfire, nothing contended: {what}", unit, $"≤ {SchedulerContender.DisableConcurrentExecution}",
            row => row.JobLocking <= row.Rivals[SchedulerContender.DisableConcurrentExecution]);
    }

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    private static bool IsBare(int job) => job / Stretch % 2 == 0;

    private Task<HangfireRound> RunAsync(string contender, int workers, int jobs, Func<int, bool> isBare, CancellationToken stop)
    {
        return rig.RunAsync(Configure, workers, jobs, Job, stop);

        void Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            switch (contender)
            {
                case Contender.JobLocking:
                    options.UseTaskLocks(services);
                    break;
                case SchedulerContender.RequestsByHand or SchedulerContender.PlainByHand:
                    RequestsByHandFilter filter = new(rig.Locks, rig.Prefix, plain: contender == SchedulerContender.PlainByHand);
                    options.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { filter });
                    break;
            }
        }

        Expression<Action<UncontendedHangfireJobs>> Job(int job) => (isBare(job) ? SchedulerContender.Bare : contender) switch
        {
            Contender.JobLocking => jobs => jobs.RunLocked(job),
            SchedulerContender.DisableConcurrentExecution => jobs => jobs.RunDisabled(job),
            SchedulerContender.RequestsByHand or SchedulerContender.PlainByHand => jobs => jobs.RunByHand(job),
            _ => jobs => jobs.RunBare(job),
        };
    }
}
