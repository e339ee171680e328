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
/// Jobs with our lock and by hand take turns as well, in a part of their own, for what is ours alone.
/// Requests are those of the first part. Of the commands on the server most of ours are steps within two scripts, so that
/// they are shown and not judged; what is judged are the requests that are sent, each of which a worker or another client
/// waits for.
/// </summary>
internal sealed class UncontendedHangfire(HangfireRig rig, Effort effort) : IRivalCase
{
    /// <summary>So many jobs of one kind in turn with so many of another.</summary>
    private const int Stretch = 10;

    private const int StretchesOfEach = 100;

    private const int AtOnce = 2000;

    private const int Workers = 20;

    /// <summary>Of what the same requests by hand cost, so much may be ours, where those are out of reach already.</summary>
    private const double Near = 0.25;

    private const string Cycle = "µs a job over bare";

    private const string OverByHand = "µs a job over the same requests by hand";

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
        HangfireRound oneByOne = await InTurnAsync(SchedulerContender.Bare, contender, stop);
        HangfireRound atOnce = await RunAsync([contender], Workers, effort.Of(AtOnce), stop);
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
            measured.Add(Cycle, SecondOverFirst(oneByOne));
        }

        if (contender == Contender.JobLocking)
        {
            measured.Add(OverByHand, SecondOverFirst(await InTurnAsync(SchedulerContender.RequestsByHand, contender, stop)));
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
        double ours = findings.Of(Contender.JobLocking, OverByHand).Median;
        bool isBeyondReach = byHand > theirs && ours <= Near * byHand;
        yield return !isBeyondReach ? cycle : cycle with
        {
            Limit = $"the same requests by hand cost {byHand:0} µs over bare, {byHand / theirs:0.0} × {SchedulerContender.DisableConcurrentExecution}: as many plain commands {plain:0} µs, the fence and the queue {byHand - plain:0} µs; the filter adds {ours:0} µs",
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

    private static double SecondOverFirst(HangfireRound inTurn) =>
        inTurn.Timeline.Cycles(job => !IsFirst(job)).Median - inTurn.Timeline.Cycles(IsFirst).Median;

    private static bool IsFirst(int job) => job / Stretch % 2 == 0;

    private Task<HangfireRound> InTurnAsync(string first, string second, CancellationToken stop) =>
        RunAsync([first, second], workers: 1, 2 * Stretch * effort.Of(StretchesOfEach), stop);

    private Task<HangfireRound> RunAsync(string[] inTurn, int workers, int jobs, CancellationToken stop)
    {
        return rig.RunAsync(Configure, workers, jobs, Job, stop);

        void Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            if (inTurn.Any(contender => contender is SchedulerContender.RequestsByHand or SchedulerContender.PlainByHand))
            {
                RequestsByHandFilter filter = new(rig.Locks, rig.Prefix, plain: inTurn.Contains(SchedulerContender.PlainByHand));
                options.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { filter });
            }

            if (inTurn.Contains(Contender.JobLocking))
            {
                options.UseTaskLocks(services);
            }
        }

        Expression<Action<UncontendedHangfireJobs>> Job(int job) => inTurn[job / Stretch % inTurn.Length] switch
        {
            Contender.JobLocking => jobs => jobs.RunLocked(job),
            SchedulerContender.DisableConcurrentExecution => jobs => jobs.RunDisabled(job),
            SchedulerContender.RequestsByHand or SchedulerContender.PlainByHand => jobs => jobs.RunByHand(job),
            _ => jobs => jobs.RunBare(job),
        };
    }
}
