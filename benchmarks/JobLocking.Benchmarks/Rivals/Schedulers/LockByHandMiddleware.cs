using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The least that any lock on the same Redis costs a firing: one acquire and one release around the job.</summary>
internal sealed class LockByHandMiddleware(ITaskLocks locks) : IJobExecutionMiddleware
{
    public async ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default)
    {
        await using TaskLease? lease = await locks.TryAcquireAsync(QuartzRig.LockName(UncontendedQuartzJob.NumberOf(context)), cancellationToken: cancellationToken)
            ?? throw new InvalidOperationException("The lock is taken.");
        await next(context, cancellationToken);
    }
}
