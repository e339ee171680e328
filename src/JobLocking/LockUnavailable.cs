namespace JobLocking;

/// <summary>What becomes of an execution whose lock cannot be asked for, because the store is out of reach.</summary>
public enum LockUnavailable
{
    /// <summary>Put the execution back and try again after <see cref="TaskLockAttribute.DeferBy"/>.</summary>
    Defer,

    /// <summary>Fail with a <see cref="TaskLockUnavailableException"/>; the scheduler's own retry decides what follows.</summary>
    Fail,

    /// <summary>
    /// Run without the lock. Logged as a warning each time; <see cref="ITaskLeaseAccessor.Current"/> is null and
    /// <see cref="ITaskLeaseAccessor.Required"/> throws. Choose it only for jobs that may run twice.
    /// </summary>
    Run,
}
