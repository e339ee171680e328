namespace JobLocking.Simulation.Histories;

/// <summary>An event that was observed from outside the engine, with its time in ticks. A closed set.</summary>
internal abstract record Fact(long At)
{
    /// <summary>A process started, was frozen, was thawed, was killed, or ended in an orderly way.</summary>
    public sealed record Started(long At, string Node) : Fact(At);

    public sealed record Frozen(long At, string Node) : Fact(At);

    public sealed record Thawed(long At, string Node) : Fact(At);

    public sealed record Stopping(long At, string Node) : Fact(At);

    public sealed record Gone(long At, string Node, bool InOrder) : Fact(At);

    /// <summary>The server forgot everything.</summary>
    public sealed record DataLost(long At) : Fact(At);

    /// <summary>The server's clock was set.</summary>
    public sealed record ClockStepped(long At, TimeSpan By) : Fact(At);

    /// <summary>The key of a lock was deleted by hand, or its lease broken by an operator.</summary>
    public sealed record Freed(long At, string Lock, long Token, bool ByBreak) : Fact(At);

    /// <summary>A process sent a call about a lease.</summary>
    public sealed record Sent(long At, string Node, int Call, StoreCall StoreCall, string Lease, string Lock, TimeSpan Expiry) : Fact(At);

    /// <summary>The server has applied or refused the call.</summary>
    public sealed record Applied(long At, int Call, StoreCall StoreCall, string Lease, string Lock, bool Done, string? Occurrence) : Fact(At);

    /// <summary>The process has received the reply, or knows that none will come.</summary>
    public sealed record Answered(long At, int Call, bool IsKnown) : Fact(At);

    /// <summary>A holder has a lease and believes in it.</summary>
    public sealed record Held(long At, string Node, string Lease, string Lock, int Limit, long Token, TimeSpan Expiry, TimeSpan MinHold, TimeSpan MaxHold) : Fact(At);

    /// <summary>The holder no longer believes in its lease.</summary>
    public sealed record Ended(long At, string Lease, End How) : Fact(At);

    /// <summary>The call that released a lease has returned.</summary>
    public sealed record Returned(long At, string Lease) : Fact(At);

    /// <summary>A run of an occurrence under a lease.</summary>
    public sealed record Ran(long At, string Lease, string Occurrence) : Fact(At);

    /// <summary>
    /// An execution waits for a lock, in place or deferred by a living process; perhaps after another process deferred it.
    /// </summary>
    public sealed record Waits(long At, string Who, string Node, string Lock, int Limit, bool ForOccurrence, bool HasMoved = false) : Fact(At);

    public sealed record WaitsNoMore(long At, string Who) : Fact(At);

    /// <summary>Work was submitted, decided on and finished.</summary>
    public sealed record Submitted(long At, string Work) : Fact(At);

    public sealed record Decided(long At, string Work, string Decision, bool IsFirstAttempt, bool IsOccurrence) : Fact(At);

    public sealed record Finished(long At, string Work, string State) : Fact(At);

    /// <summary>From now on nothing is broken any more.</summary>
    public sealed record Calm(long At) : Fact(At);

    /// <summary>What is still there one expiry after all work has ended.</summary>
    public sealed record Left(long At, string Where, string What) : Fact(At);
}

/// <summary>A call of the store about a lease.</summary>
internal enum StoreCall
{
    Acquire,
    Renew,
    Release,
}

/// <summary>How the belief in a lease ended.</summary>
internal enum End
{
    /// <summary>Released after work that succeeded, or by hand.</summary>
    Released,

    /// <summary>Released after work that failed: no minimum hold.</summary>
    ReleasedEarly,

    /// <summary>Its <see cref="TaskLease.Lost"/> was cancelled.</summary>
    Told,

    /// <summary><see cref="TaskLease.ThrowIfLost"/> has thrown.</summary>
    Threw,
}
