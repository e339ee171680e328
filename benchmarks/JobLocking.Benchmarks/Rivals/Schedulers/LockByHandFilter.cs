using Hangfire.Server;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The least that any lock on the same Redis costs a job: one acquire and one release around it, and nothing asked of the storage.</summary>
internal sealed class LockByHandFilter(ITaskLocks locks) : IServerFilter
{
    private const string Item = "lease";

    public void OnPerforming(PerformingContext context) =>
        context.Items[Item] = locks.TryAcquireAsync(UncontendedHangfireJobs.LockName(context.BackgroundJob.Job)).AsTask().GetAwaiter().GetResult()
            ?? throw new InvalidOperationException("The lock is taken.");

    public void OnPerformed(PerformedContext context) => ((TaskLease)context.Items[Item]).DisposeAsync().AsTask().GetAwaiter().GetResult();
}
