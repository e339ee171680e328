using System.Linq.Expressions;
using Hangfire;
using Hangfire.Common;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What a lock that nobody else wants adds to a Hangfire job that does nothing, in two parts of a round:
/// <list type="bullet">
/// <item><description>One worker: the jobs run one after the other, so that the time from one to the next is all that one job
/// costs, and the difference to the bare job is the lock. It is a difference of two figures that are many times larger, so it
/// is taken from medians over many jobs, round by round.</description></item>
/// <item><description>As many workers as Hangfire has on a machine with four cores: how many jobs a second get through, from
/// the first one's begin to the last one's end, when what the locks cost the processors counts too.</description></item>
/// </list>
/// A filter that takes the same lock by hand shows what of it is the two round trips of acquire and release.
/// Requests and processor time are those of the first part: they depend little on how busy the machine is. Of the commands
/// on the server most of ours are steps within two scripts, so that they are shown and not judged; what is judged are the
/// requests that are sent, each of which a worker or another client waits for.
/// </summary>
internal sealed class UncontendedHangfire(HangfireRig rig, Effort effort) : IRivalCase
{
    private const int OneByOne = 1000;

    private const int AtOnce = 2000;

    private const int Workers = 20;

    private const string Cycle = "µs a job";

    private const string Rate = "jobs a second";

    private const string Processor = "processor µs a job";

    private const string Requests = "requests a job";

    private const string StorageRequests = "of these to the storage";

    private const string Commands = "commands a job";

    public IReadOnlyList<string> Contenders { get; } =
        [SchedulerContender.Bare, SchedulerContender.DisableConcurrentExecution, Contender.JobLocking, SchedulerContender.LockByHand];

    public static async Task<IRivalCase> StartAsync(BenchmarkRedis redis, Effort effort) =>
        new UncontendedHangfire(await HangfireRig.StartAsync(redis), effort);

    public async Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop)
    {
        HangfireRound oneByOne = await RunAsync(contender, workers: 1, effort.Of(OneByOne), stop);
        HangfireRound atOnce = await RunAsync(contender, Workers, effort.Of(AtOnce), stop);
        double jobs = oneByOne.Timeline.Jobs;
        return new Dictionary<string, double>
        {
            [Cycle] = oneByOne.Timeline.MedianCycle().TotalMicroseconds,
            [Rate] = atOnce.Timeline.Jobs / atOnce.Timeline.Whole.TotalSeconds,
            [Processor] = oneByOne.Processor.TotalMicroseconds / jobs,
            [Requests] = oneByOne.Traffic.Requests / jobs,
            [StorageRequests] = oneByOne.Traffic.Storage / jobs,
            [Commands] = oneByOne.Traffic.Commands / jobs,
        };
    }

    public IEnumerable<Row> Rows(Findings findings)
    {
        yield return Row.Of(
            findings, Rate, $"Hangfire, nothing contended, {Workers} workers", "jobs/s", "none: shown, the overhead is judged", _ => true);
        Row cycle = Over(Cycle, "µs");
        double byHand = cycle.Rivals[SchedulerContender.LockByHand];
        yield return byHand <= cycle.Rivals[SchedulerContender.DisableConcurrentExecution] ? cycle : cycle with
        {
            Limit = $"a filter that only takes the lock by hand, two round trips that a thread waits for, costs {byHand:0} µs over bare, which is more already",
        };
        yield return Over(Processor, "µs") with { Target = "none: shown", Met = true };
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

    private Task<HangfireRound> RunAsync(string contender, int workers, int jobs, CancellationToken stop)
    {
        return rig.RunAsync(Configure, workers, jobs, Job, stop);

        void Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            switch (contender)
            {
                case Contender.JobLocking:
                    options.UseTaskLocks(services);
                    break;
                case SchedulerContender.LockByHand:
                    LockByHandFilter filter = new(services.GetRequiredService<ITaskLocks>());
                    options.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { filter });
                    break;
            }
        }

        Expression<Action<UncontendedHangfireJobs>> Job(int job) => contender switch
        {
            Contender.JobLocking => jobs => jobs.RunLocked(job),
            SchedulerContender.DisableConcurrentExecution => jobs => jobs.RunDisabled(job),
            _ => jobs => jobs.RunBare(job),
        };
    }
}
