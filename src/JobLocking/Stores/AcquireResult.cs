namespace JobLocking.Stores;

/// <summary>What the store answered.</summary>
public enum AcquireOutcome
{
    /// <summary>The lease holds the lock.</summary>
    Granted,

    /// <summary>Somebody holds the lock.</summary>
    Contended,

    /// <summary>Another lease is running the occurrence.</summary>
    OccurrenceRunning,

    /// <summary>The occurrence has been run, and the run succeeded.</summary>
    OccurrenceSucceeded,

    /// <summary>The occurrence has been run, and the run failed; a retry would have been granted.</summary>
    OccurrenceFailed,
}

/// <summary>The answer to an <see cref="AcquireRequest"/>.</summary>
/// <param name="Outcome">What was decided.</param>
/// <param name="FencingToken">The token of the lease when granted, else 0.</param>
/// <param name="Holder">Who holds the lock, or runs or ran the occurrence; null for a foreign client.</param>
/// <param name="TimeLeft">When contended or running: until the other expires if nobody renews it; null without expiry.</param>
/// <param name="IsKept">The other's run has ended, and the lock is kept for its minimum hold only.</param>
public readonly record struct AcquireResult(
    AcquireOutcome Outcome,
    long FencingToken = 0,
    LockHolder? Holder = null,
    TimeSpan? TimeLeft = null,
    bool IsKept = false);
