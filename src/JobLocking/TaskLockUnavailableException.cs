namespace JobLocking;

/// <summary>The store of the locks cannot be asked. It does not say that the lock is taken.</summary>
public sealed class TaskLockUnavailableException : TaskLockException
{
    /// <summary>Creates the exception with its cause.</summary>
    /// <param name="message">What was asked, and of which lock.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="innerException">What the store said.</param>
    public TaskLockUnavailableException(string message, string lockName, Exception? innerException)
        : base(message, innerException)
    {
        LockName = lockName;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }

    /// <summary>The store did grant the lock, and its answer came after the deadline: it may be asked again.</summary>
    internal bool WasGranted { get; init; }

    /// <summary>The store may have granted a lease, which is not used and is being given back.</summary>
    internal bool MayHoldLease { get; init; }
}
