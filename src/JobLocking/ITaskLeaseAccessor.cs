namespace JobLocking;

/// <summary>Gives the running job access to its lease.</summary>
public interface ITaskLeaseAccessor
{
    /// <summary>
    /// The lease of the job that runs in the current flow of execution. It is null outside a job, for a job without a lock,
    /// and for a job that runs without its lock because of <see cref="LockUnavailable.Run"/>.
    /// </summary>
    TaskLease? Current { get; }

    /// <summary>
    /// The lease of the job that runs in the current flow of execution. If JobLocking is not registered with the scheduler, the job
    /// fails instead of running unprotected. A Quartz job has its lease in <c>Execute</c>, not in its constructor.
    /// </summary>
    /// <exception cref="TaskLockException">The code does not run under a lock.</exception>
    TaskLease Required { get; }
}
