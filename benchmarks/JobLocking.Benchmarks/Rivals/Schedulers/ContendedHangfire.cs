using System.Linq.Expressions;
using Hangfire;
using Hangfire.States;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// A queue of jobs, of which every other needs the same lock, on a server with twenty workers. The others need no lock: how long does the
/// contention delay them? The run without contention has the same jobs, none of which has a lock.
/// <para>
/// The jobs that need the lock can only run one after the other: the sum of their bodies, measured as they ran, is the least time that any
/// lock allows. A chain of jobs without a lock, each of which enqueues the next as it ends, adds the time that Hangfire needs to start a
/// job for which no worker has waited. They have a queue that is served first: behind the unrelated jobs in one queue the chain would stand
/// still until those are done.
/// </para>
/// <para>
/// The bodies are so long that this sum is several times what the machine needs for all the jobs without a lock: otherwise all of them
/// would wait for the machine. With the same bodies everywhere, the delay of an unrelated job is the time from the start of the first job
/// to its own start.
/// </para>
/// </summary>
internal sealed class ContendedHangfire(HangfireRig rig, Effort effort) : IRivalCase
{
    private const int Jobs = 1000;

    private const int Workers = 20;

    private const double Sooner = 5;

    private const double Undisturbed = 1.2;

    /// <summary>How much of the same line without a lock ours may take, if <see cref="Sooner"/> cannot be reached.</summary>
    private const double MostOfChain = 1.2;

    private const string Whole = "ms until all are done";

    private const string Unrelated = "ms, the median delay of the unrelated";

    private const string Bodies = "ms, the sum of the bodies under the lock";

    private const string Requests = "requests a job";

    public IReadOnlyList<string> Contenders { get; } =
        [SchedulerContender.Bare, SchedulerContender.DisableConcurrentExecution, Contender.JobLocking, SchedulerContender.ChainByHand];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) =>
        new ContendedHangfire(await HangfireRig.StartAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        int jobs = Math.Max(2, effort.Of(Jobs));
        HangfireRound round = await rig.RunAsync(Configure, Workers, jobs, Job, State, stop);
        Timeline timeline = round.Timeline;
        IEnumerable<int> all = Enumerable.Range(0, jobs);
        return new Dictionary<string, double>
        {
            [Whole] = timeline.Whole.TotalMilliseconds,
            [Unrelated] = new Figure(all.Where(job => !IsContended(job)).Select(job => timeline.Delay(job).TotalMilliseconds)).Median,
            [Bodies] = all.Where(IsContended).Sum(job => timeline.Body(job).TotalMilliseconds),
            [Requests] = (double)round.Traffic.Requests / jobs,
        };

        void Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            if (contender == Contender.JobLocking)
            {
                options.UseTaskLocks(services);
            }
            else if (contender == SchedulerContender.ChainByHand)
            {
                options.Queues = [ContendedHangfireJobs.ChainQueue, EnqueuedState.DefaultQueue];
            }
        }

        Expression<Action<ContendedHangfireJobs>> Job(int job) => (IsContended(job), contender) switch
        {
            (true, Contender.JobLocking) => jobs => jobs.RunLocked(job),
            (true, SchedulerContender.DisableConcurrentExecution) => jobs => jobs.RunDisabled(job),
            (true, SchedulerContender.ChainByHand) => jobs => jobs.RunInChain(job, null!), // Hangfire's own to be put in
            _ => jobs => jobs.Run(job),
        };

        IState State(int job) => contender == SchedulerContender.ChainByHand && IsContended(job) && job > 0
            ? new ScheduledState(TimeSpan.FromDays(1))
            : new EnqueuedState();
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        yield return Row.Of(
            findings, Unrelated, $"Hangfire, half contended, {Workers} workers: delay of the unrelated", "ms",
            $"≥ {Sooner} × sooner than {SchedulerContender.DisableConcurrentExecution}; ≤ {Undisturbed} × {SchedulerContender.Bare}",
            row => IsSooner(row) && row.Ratio[SchedulerContender.Bare] <= Undisturbed);

        Row whole = Row.Of(
            findings, Whole, $"Hangfire, half contended, {Workers} workers: until all are done", "ms",
            $"≥ {Sooner} × sooner than {SchedulerContender.DisableConcurrentExecution}", IsSooner);
        double serial = findings.Of(Contender.JobLocking, Bodies).Median;
        double possible = whole.Rivals[SchedulerContender.DisableConcurrentExecution] / findings.Of(SchedulerContender.DisableConcurrentExecution, Bodies).Median;
        double overChain = whole.Ratio[SchedulerContender.ChainByHand];
        yield return whole.OrLimit(
            possible < Sooner && overChain <= MostOfChain,
            $"the bodies under the lock alone take {serial:#,0} ms, one after the other, so that nothing can be more than {possible:0.0} × sooner; a chain of jobs that wait for no lock takes {whole.Rivals[SchedulerContender.ChainByHand]:#,0} ms, ours {overChain:0.00} × that");

        yield return Row.Of(
            findings, Requests, $"Hangfire, half contended, {Workers} workers: {Requests}", "requests", "none: shown", _ => true);

        static bool IsSooner(Row row) => row.Ratio[SchedulerContender.DisableConcurrentExecution] <= 1 / Sooner;
    }

    public ValueTask DisposeAsync() => rig.DisposeAsync();

    private static bool IsContended(int job) => job % 2 == 0;
}
