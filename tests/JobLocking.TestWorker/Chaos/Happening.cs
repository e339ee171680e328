namespace JobLocking.TestWorker.Chaos;

/// <summary>What an execution, or whoever makes the faults, may have to tell.</summary>
internal enum Happening
{
    /// <summary>It is about to ask for a lock.</summary>
    Asked,

    /// <summary>It was told that it has a lease, with this token.</summary>
    Granted,

    /// <summary>It was told that the lock is taken.</summary>
    Contended,

    /// <summary>It was told that nobody can be asked.</summary>
    Unavailable,

    /// <summary>It asked no more, because it was cancelled.</summary>
    Cancelled,

    /// <summary>Something was thrown that nobody promised; the detail says what.</summary>
    Failed,

    /// <summary><c>ThrowIfLost</c> found the lease its own: the time is from before it was asked.</summary>
    Claimed,

    /// <summary><c>ThrowIfLost</c> has thrown.</summary>
    Disowned,

    /// <summary><c>Lost</c> was cancelled.</summary>
    Lost,

    /// <summary>It has added one to what its lock protects, and no greater token had been there.</summary>
    Wrote,

    /// <summary>What its lock protects has seen a greater token, and refused it.</summary>
    Fenced,

    /// <summary>It is about to release its lease.</summary>
    Releasing,

    /// <summary>The release has returned.</summary>
    Released,

    /// <summary>A fault begins; the detail names what kind, <c>Process</c> whom it was done to: a worker, or Redis.</summary>
    FaultBegan,

    /// <summary>The fault is over.</summary>
    FaultEnded,

    /// <summary>The locks of the server, or the one named, are not there any more: whoever held them may meet others.</summary>
    Erased,

    /// <summary>All faults are over: from here on everybody must get on.</summary>
    Healed,

    /// <summary>A key was there, long after everybody had released.</summary>
    Orphan,

    /// <summary>The machine was too busy to answer anybody, until now; the detail says for how long, in ticks.</summary>
    Starved,
}
