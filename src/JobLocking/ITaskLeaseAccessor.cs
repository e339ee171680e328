namespace JobLocking;

/// <summary>The lease under which the job that asks is running.</summary>
public interface ITaskLeaseAccessor
{
    /// <summary>The lease of the job that runs on this flow of execution; null outside a job, for a job without a lock, and for one that runs without it under <see cref="LockUnavailable.Run"/>.</summary>
    TaskLease? Current { get; }

    /// <summary>
    /// The lease of the job that runs on this flow of execution. Catches a forgotten registration: the job fails rather than run
    /// unprotected. A Quartz job has its lease from <c>Execute</c> on, not in its constructor.
    /// </summary>
    /// <exception cref="TaskLockException">The code does not run under a lock.</exception>
    TaskLease Required { get; }
}
