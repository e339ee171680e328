using Hangfire;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>A job that does nothing, under a lock of its own name each time, or under none.</summary>
internal sealed class UncontendedHangfireJobs(Timelines timelines)
{
    public void RunBare(int job) => Run(job);

    /// <summary>Under the lock that <see cref="RequestsByHandFilter"/> takes.</summary>
    public void RunByHand(int job) => Run(job);

    /// <summary>Between the plain commands of that filter.</summary>
    public void RunPlainByHand(int job) => Run(job);

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
