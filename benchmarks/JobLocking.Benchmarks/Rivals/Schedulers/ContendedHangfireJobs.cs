using Hangfire;
using Hangfire.Server;
using Hangfire.States;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// A job that takes ten milliseconds and no processor time, like one that waits for a database: every other job under one lock, or none
/// under a lock.
/// </summary>
internal sealed class ContendedHangfireJobs(Timelines timelines)
{
    public const string ChainQueue = "chain";

    private const string LockName = "contended";

    private static readonly TimeSpan Body = TimeSpan.FromMilliseconds(10);

    public void Run(int job)
    {
        timelines.Current.Begin(job);
        Thread.Sleep(Body);
        timelines.Current.End(job);
    }

    /// <remarks>
    /// It waits as long as it takes: with a shorter time-out jobs fail, and come back as retries up to half a minute later.
    /// </remarks>
    [DisableConcurrentExecution(LockName, 600)]
    public void RunDisabled(int job) => Run(job);

    /// <summary>
    /// Runs without a lock, and then enqueues the job after the next, which has been scheduled for a day that never comes.
    /// </summary>
    public void RunInChain(int job, PerformContext context)
    {
        Run(job);
        if (timelines.Current.JobIds.ElementAtOrDefault(job + 2) is { } next)
        {
            new BackgroundJobClient(context.Storage).ChangeState(next, new EnqueuedState(ChainQueue));
        }
    }

    [TaskLock(LockName)]
    public void RunLocked(int job) => Run(job);
}
