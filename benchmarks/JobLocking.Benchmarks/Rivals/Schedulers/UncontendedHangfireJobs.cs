using Hangfire;
using Hangfire.Common;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>A job that does nothing, under a lock of its own name each time, or under none.</summary>
internal sealed class UncontendedHangfireJobs(Timelines timelines)
{
    /// <summary>By hand, the lock that <see cref="RunLocked"/> has.</summary>
    public static string LockName(Job job) => $"rival:{job.Args[0]}";

    public void RunBare(int job) => Run(job);

    [DisableConcurrentExecution("rival:{0}", 60)]
    public void RunDisabled(int job) => Run(job);

    [TaskLock("rival:{job}")]
    public void RunLocked(int job) => Run(job);

    private void Run(int job)
    {
        timelines.Current.Begin(job);
        timelines.Current.End(job);
    }
}
