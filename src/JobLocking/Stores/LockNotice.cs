namespace JobLocking.Stores;

/// <summary>Something this process ought to know at once. A closed set of four.</summary>
public abstract record LockNotice
{
    private LockNotice()
    {
    }

    /// <summary>A lease of this process was ended by an operator.</summary>
    /// <param name="LeaseId">Its id.</param>
    public sealed record Broken(string LeaseId) : LockNotice;

    /// <summary>It is the turn of an execution that this process has parked: it should try now, or pass the turn on. It is not parked any more.</summary>
    /// <param name="Name">The resolved name of the lock.</param>
    /// <param name="ParkingId">The id it was parked with.</param>
    /// <param name="After">How long the lock is still kept for its minimum hold; <see cref="TimeSpan.Zero"/> if it is free.</param>
    public sealed record Turn(string Name, string ParkingId, TimeSpan After) : LockNotice;

    /// <summary>The connection to the store is back after it was gone; what was said meanwhile is lost.</summary>
    /// <param name="MadeAgainBecause">Why the store has made its connection again, for the log; null if it has not.</param>
    public sealed record Reconnected(string? MadeAgainBecause = null) : LockNotice;

    /// <summary>What is said to this process has not reached it for some time, and goes on not to: its executions look for their turns. Said once, until <see cref="Reconnected"/>.</summary>
    /// <param name="Error">Why, as far as it is known.</param>
    public sealed record NotListening(LockStoreException Error) : LockNotice;
}
