using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// The least that any lock on the same Redis costs a firing: one acquire and one release around the job, with no other middleware in
/// between. It is in front of ours, so that the firings of both kinds can take turns in one scheduler.
/// </summary>
internal sealed class LockByHandMiddleware(ITaskLocks locks) : IJobExecutionMiddleware
{
    public ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default) =>
        context.JobInstance is UncontendedQuartzJob.ByHand ? RunAsync(context, cancellationToken) : next(context, cancellationToken);

    private async ValueTask RunAsync(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        await using TaskLease? lease = await locks.TryAcquireAsync(QuartzRig.LockName(UncontendedQuartzJob.NumberOf(context)), cancellationToken: cancellationToken)
            ?? throw new InvalidOperationException("The lock is taken.");
        await context.JobInstance.Execute(context, cancellationToken);
    }
}
