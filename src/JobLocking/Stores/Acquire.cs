namespace JobLocking.Stores;

/// <summary>One logical acquire; sent again unchanged if its answer did not arrive.</summary>
/// <param name="Name">The resolved name: at most 512 bytes of UTF-8, without braces.</param>
/// <param name="LeaseId">A new id for each logical acquire: 22 characters of base64url.</param>
/// <param name="Expiry">How long the lease lives from the moment the store grants it.</param>
/// <param name="Holder">Describes the execution that asks.</param>
/// <param name="Occurrence">The occurrence to be judged before the lock; null for none.</param>
/// <param name="Limit">
/// How many leases may hold the lock at once, as far as this process knows. If a current holder has a smaller limit, that limit applies.
/// </param>
/// <param name="Waiter">How the execution is listed in the waiting queue if the acquire is refused; null for not at all.</param>
public readonly record struct AcquireRequest(
    string Name,
    string LeaseId,
    TimeSpan Expiry,
    LockHolder Holder,
    LockOccurrence? Occurrence = null,
    int Limit = 1,
    WaiterEntry? Waiter = null)
{
    /// <summary>
    /// Whether <see cref="AcquireResult.HolderIsGone"/> is to be found out if the lock is taken. The store looks only if all holders have
    /// the <see cref="LockHolder.Identity"/> of <see cref="Holder"/>.
    /// </summary>
    public bool AsksWhetherHolderAnswers { get; init; }
}

/// <summary>What the store decided about an <see cref="AcquireRequest"/>.</summary>
public enum AcquireOutcome
{
    /// <summary>The lease holds the lock. The execution has left the waiting queue, if it was there.</summary>
    Granted,

    /// <summary>
    /// The lock is taken. The execution is in the waiting queue, if the request asked for that and the queue is not full.
    /// </summary>
    Contended,

    /// <summary>
    /// Another lease is running the occurrence. If the lock is taken, the execution is in the waiting queue as for <see cref="Contended"/>.
    /// </summary>
    OccurrenceRunning,

    /// <summary>The occurrence has been run, and the run succeeded.</summary>
    OccurrenceSucceeded,

    /// <summary>The occurrence has been run, and the run failed; a retry would have been granted.</summary>
    OccurrenceFailed,

    /// <summary>The stored job has just been run; an attempt that is no second delivery would have been granted.</summary>
    OccurrenceEnded,

    /// <summary>
    /// Another lease was granted for the same deferral. Judged before occurrence and lock, so also while that lease is held. The
    /// execution is not put into the waiting queue.
    /// </summary>
    DeferralSpent,
}

/// <summary>The answer to an <see cref="AcquireRequest"/>.</summary>
/// <param name="Outcome">What was decided.</param>
/// <param name="FencingToken">The token of the lease when granted, otherwise 0.</param>
/// <param name="Holder">
/// The holder of the lock (of several, the one whose lease ends first), or the holder that runs or ran the occurrence; null for a
/// foreign client.
/// </param>
/// <param name="TimeLeft">When contended or running: until the other expires if it is not renewed; null without expiry.</param>
/// <param name="IsKept">The run of the other holder has ended, and the lock is kept only for its minimum hold.</param>
/// <param name="QueuedSince">
/// Since when the execution is in the waiting queue, in microseconds of the store's clock; 0 if it is not.
/// </param>
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
    /// <summary>
    /// When the request that was granted was sent, by <see cref="TimeProvider.GetTimestamp"/>: the lease counts its time from then on.
    /// 0 to count it from the call, which includes the time to connect.
    /// </summary>
    public long SentAt { get; init; }

    /// <summary>
    /// The process of a holder does not listen for notifications, so it is dead or has lost its connection for the moment. Only for
    /// <see cref="AcquireOutcome.Contended"/>, and only if the request asked. False for the process that asks, for a lock that is kept,
    /// and where the store cannot tell.
    /// </summary>
    public bool HolderIsGone { get; init; }
}
