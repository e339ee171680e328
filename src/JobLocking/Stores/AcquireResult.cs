namespace JobLocking.Stores;

/// <summary>What the store answered.</summary>
public enum AcquireOutcome
{
    /// <summary>The lease holds the lock. A place that the asker had in its queue is gone.</summary>
    Granted,

    /// <summary>The lock is taken. The asker is parked, if it asked for it and the queue is not full.</summary>
    Contended,

    /// <summary>Another lease is running the occurrence. The asker is parked as for <see cref="Contended"/>, if the lock is taken.</summary>
    OccurrenceRunning,

    /// <summary>The occurrence has been run, and the run succeeded.</summary>
    OccurrenceSucceeded,

    /// <summary>The occurrence has been run, and the run failed; a retry would have been granted.</summary>
    OccurrenceFailed,

    /// <summary>Another lease was granted for the same deferral. Judged before occurrence and lock, so also while that lease is held. Nobody is parked.</summary>
    DeferralSpent,
}

/// <summary>The answer to an <see cref="AcquireRequest"/>.</summary>
/// <param name="Outcome">What was decided.</param>
/// <param name="FencingToken">The token of the lease when granted, else 0.</param>
/// <param name="Holder">Who holds the lock (of several, the one whose lease ends first), or runs or ran the occurrence; null for a foreign client.</param>
/// <param name="TimeLeft">When contended or running: until the other expires if nobody renews it; null without expiry.</param>
/// <param name="IsKept">The other's run has ended, and the lock is kept for its minimum hold only.</param>
/// <param name="QueuedSince">Since when the asker is parked, in microseconds of the store's clock; 0 if it is not.</param>
/// <param name="Others">The other holders when there are several, at most 99; null when there is one.</param>
public readonly record struct AcquireResult(
    AcquireOutcome Outcome,
    long FencingToken = 0,
    LockHolder? Holder = null,
    TimeSpan? TimeLeft = null,
    bool IsKept = false,
    long QueuedSince = 0,
    IReadOnlyList<LockHolder?>? Others = null)
{
    /// <summary>When the request that was granted was sent, by <see cref="TimeProvider.GetTimestamp"/>: from then on the lease counts its time. 0 to count it from the call, connecting included.</summary>
    public long SentAt { get; init; }
}
