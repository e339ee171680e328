namespace JobLocking.Stores;

/// <summary>Something this process ought to know at once. A closed set of four.</summary>
public abstract record LockNotification
{
    private LockNotification()
    {
    }

    /// <summary>A lease of this process was ended by an operator.</summary>
    /// <param name="LeaseId">Its id.</param>
    public sealed record Broken(string LeaseId) : LockNotification;

    /// <summary>It is the turn of an execution that this process has parked: it should try now, or pass the turn on. It is not parked any more.</summary>
    /// <param name="Name">The resolved name of the lock.</param>
    /// <param name="WaiterId">The id it was parked with.</param>
    /// <param name="After">How long the lock is still kept for its minimum hold; <see cref="TimeSpan.Zero"/> if it is free.</param>
    public sealed record WakeUp(string Name, string WaiterId, TimeSpan After) : LockNotification;

    /// <summary>The connection to the store is back after it was gone; what was said meanwhile is lost.</summary>
    /// <param name="ReplacedBecause">Why the store has made its connection again, for the log; null if it has not.</param>
    public sealed record Reconnected(string? ReplacedBecause = null) : LockNotification;

    /// <summary>What is said to this process has not reached it for some time, and goes on not to: its executions look for their turns. Said once, until <see cref="Reconnected"/>.</summary>
    /// <param name="Error">Why, as far as it is known.</param>
    public sealed record SubscriptionLost(LockStoreException Error) : LockNotification;
}
