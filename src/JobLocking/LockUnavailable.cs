namespace JobLocking;

/// <summary>What happens to an execution when the store of its lock is unavailable.</summary>
public enum LockUnavailable
{
    /// <summary>Defers the execution: it tries again after <see cref="TaskLockAttribute.DeferBy"/>.</summary>
    Defer,

    /// <summary>Fails the execution with a <see cref="TaskLockUnavailableException"/>. The scheduler's own retry applies.</summary>
    Fail,

    /// <summary>
    /// Runs the execution without the lock, and logs a warning each time. <see cref="ITaskLeaseAccessor.Current"/> is then null and
    /// <see cref="ITaskLeaseAccessor.Required"/> throws. Use it only for jobs that may run twice.
    /// </summary>
    Run,
}
