namespace JobLocking;

/// <summary>The store of the locks is unavailable. It is not known whether the lock is taken.</summary>
public sealed class TaskLockUnavailableException : TaskLockException
{
    /// <summary>Creates the exception with its cause.</summary>
    /// <param name="message">Says what was requested, and for which lock.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="innerException">The error of the store.</param>
    public TaskLockUnavailableException(string message, string lockName, Exception? innerException)
        : base(message, innerException)
    {
        LockName = lockName;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }

    /// <summary>The store granted the lock, but its answer came after the deadline. The caller may try again.</summary>
    internal bool WasGranted { get; init; }

    /// <summary>The store may have granted a lease. It is not used, and is being released.</summary>
    internal bool MayHoldLease { get; init; }
}
