namespace JobLocking;

/// <summary>The lock is taken and <see cref="LockConflict.Fail"/> is set, or a deferred execution has given up.</summary>
public sealed class TaskLockConflictException : TaskLockException
{
    /// <summary>Creates the exception for a lock that is held by <paramref name="holder"/>.</summary>
    /// <param name="message">Names the lock and its holder, and says why the execution does not wait any longer.</param>
    /// <param name="lockName">The resolved name of the lock.</param>
    /// <param name="holder">The holder of the lock; null for a foreign client.</param>
    public TaskLockConflictException(string message, string lockName, LockHolder? holder)
        : base(message)
    {
        LockName = lockName;
        Holder = holder;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string LockName { get; }

    /// <summary>The holder of the lock; null for a foreign client.</summary>
    public LockHolder? Holder { get; }
}
