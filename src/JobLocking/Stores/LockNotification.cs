namespace JobLocking.Stores;

/// <summary>A message from the store to this process. A closed set of four.</summary>
public abstract record LockNotification
{
    private LockNotification()
    {
    }

    /// <summary>A lease of this process was ended by an operator.</summary>
    /// <param name="LeaseId">Its id.</param>
    public sealed record Broken(string LeaseId) : LockNotification;

    /// <summary>
    /// A waiter of this process was woken: it should try to acquire the lock now, or decline. It has left the waiting queue.
    /// </summary>
    /// <param name="Name">The resolved name of the lock.</param>
    /// <param name="WaiterId">The id of the waiter.</param>
    /// <param name="After">How long the lock is still kept for its minimum hold; <see cref="TimeSpan.Zero"/> if it is free.</param>
    public sealed record WakeUp(string Name, string WaiterId, TimeSpan After) : LockNotification;

    /// <summary>The connection to the store is back after it was gone; notifications that were sent meanwhile are lost.</summary>
    /// <param name="ReplacedBecause">Why the store has replaced its connection, for the log; null if it has not.</param>
    public sealed record Reconnected(string? ReplacedBecause = null) : LockNotification;

    /// <summary>
    /// Notifications have not reached this process for some time: until <see cref="Reconnected"/>, only safety polls find wake-ups. Sent
    /// once for each loss.
    /// </summary>
    /// <param name="Error">Why, as far as it is known.</param>
    public sealed record SubscriptionLost(LockStoreException Error) : LockNotification;
}
