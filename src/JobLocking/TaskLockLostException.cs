namespace JobLocking;

/// <summary>The lease ended while the work under it was still going on: somebody else may hold the lock by now.</summary>
public sealed class TaskLockLostException : TaskLockException
{
    /// <summary>Creates the exception for a lease that was lost.</summary>
    /// <param name="message">Which lease was lost and how.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="innerException">The cancellation through which the work noticed, if it was one.</param>
    public TaskLockLostException(string message, string lockName, Exception? innerException = null)
        : base(message, innerException)
    {
        LockName = lockName;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }
}
