namespace JobLocking;

/// <summary>The lock is taken and the policy says to fail, or a deferred execution has given up.</summary>
public sealed class TaskLockConflictException : TaskLockException
{
    /// <summary>Creates the exception for a lock that <paramref name="holder"/> has.</summary>
    /// <param name="message">Who holds which lock, and why the execution does not go on waiting.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="holder">Who holds it; null for a foreign client.</param>
    public TaskLockConflictException(string message, string lockName, LockHolder? holder)
        : base(message)
    {
        LockName = lockName;
        Holder = holder;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }

    /// <summary>Who holds the lock; null when a foreign client does.</summary>
    public LockHolder? Holder { get; }
}
