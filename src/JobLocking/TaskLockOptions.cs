namespace JobLocking;

/// <summary>How a lock taken by hand through <see cref="ITaskLocks"/> is held.</summary>
public sealed class TaskLockOptions
{
    /// <summary>The lease; renewed until it is disposed. How soon the lock is free after a crash.</summary>
    /// <value>Default 60 seconds, from 100 milliseconds to 7 days.</value>
    public TimeSpan Expire { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest time the lease may be held, after which it is lost whether the work has ended or not.</summary>
    /// <value>Default <see cref="TimeSpan.Zero"/>: none. Otherwise at least <see cref="Expire"/>; equal to it, the lease is never renewed.</value>
    public TimeSpan MaxHold { get; init; }

    /// <summary>How many leases may hold the lock at once, over all nodes. While some are asked for with a smaller limit, nobody is let in above the smallest among the holders.</summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit { get; init; } = 1;

    /// <summary>How long <see cref="ITaskLocks.TryAcquireAsync"/> waits for a lock that is taken, in the order of the queue. <see cref="ITaskLocks.AcquireAsync"/> takes no notice of it.</summary>
    /// <value>Default <see cref="TimeSpan.Zero"/>: one try. At most one day.</value>
    public TimeSpan Wait { get; init; }

    /// <summary>How long the lock stays taken after it was acquired even if the lease is disposed sooner.</summary>
    /// <value>Default <see cref="TimeSpan.Zero"/>, at most <see cref="Expire"/>.</value>
    public TimeSpan MinHold { get; init; }
}
