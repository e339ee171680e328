namespace JobLocking.TestWorker.Chaos;

/// <summary>What an execution, or the source of the faults, may report.</summary>
internal enum HistoryEventKind
{
    /// <summary>It is about to request a lock.</summary>
    Asked,

    /// <summary>It got a lease, with this token.</summary>
    Granted,

    /// <summary>The lock was taken.</summary>
    Contended,

    /// <summary>The store was unavailable.</summary>
    Unavailable,

    /// <summary>It was cancelled.</summary>
    Cancelled,

    /// <summary>An exception was thrown that is not part of the contract; the detail says which.</summary>
    Failed,

    /// <summary><c>ThrowIfLost</c> did not throw; the time is that before the call.</summary>
    Claimed,

    /// <summary><c>ThrowIfLost</c> has thrown.</summary>
    Disowned,

    /// <summary><c>Lost</c> was cancelled.</summary>
    Lost,

    /// <summary>It added one to the protected counter, which had seen no greater token.</summary>
    Wrote,

    /// <summary>The protected counter had seen a greater token, and refused it.</summary>
    Fenced,

    /// <summary>It is about to release its lease.</summary>
    Releasing,

    /// <summary>The release has returned.</summary>
    Released,

    /// <summary>A fault begins; the detail names its kind, <c>Process</c> its target: a worker, or Redis.</summary>
    FaultBegan,

    /// <summary>The fault is over.</summary>
    FaultEnded,

    /// <summary>The locks of the server, or the one named, are gone: their holders may overlap with new holders.</summary>
    Erased,

    /// <summary>All faults are over: from here on every execution must make progress.</summary>
    Healed,

    /// <summary>A key still existed long after all holders had released.</summary>
    Orphan,

    /// <summary>Until now the machine was too busy to answer; the detail says for how long, in ticks.</summary>
    Starved,
}
