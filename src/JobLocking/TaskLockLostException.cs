namespace JobLocking;

/// <summary>The lease was lost while the work was running. Another execution may hold the lock now.</summary>
public sealed class TaskLockLostException : TaskLockException
{
    /// <summary>Creates the exception for a lease that was lost.</summary>
    /// <param name="message">Says which lease was lost, and why.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="innerException">The cancellation that ended the work, if there was one.</param>
    public TaskLockLostException(string message, string lockName, Exception? innerException = null)
        : base(message, innerException)
    {
        LockName = lockName;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }
}
