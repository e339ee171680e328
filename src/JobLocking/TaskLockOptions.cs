namespace JobLocking;

/// <summary>How to hold a lock that is taken by hand through <see cref="ITaskLocks"/>.</summary>
public sealed class TaskLockOptions
{
    /// <summary>
    /// The expiry of the lease, which is renewed until you dispose it. After a crash, the lock is free after this time at the
    /// latest.
    /// </summary>
    /// <value>Default 60 seconds, from 100 milliseconds to 7 days.</value>
    public TimeSpan Expire { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest time the lease may be held. After this time it is lost, even if the work has not ended.</summary>
    /// <value>
    /// Default <see cref="TimeSpan.Zero"/>: no limit. Otherwise at least <see cref="Expire"/>. If it equals <see cref="Expire"/>,
    /// the lease is never renewed.
    /// </value>
    public TimeSpan MaxHold { get; init; }

    /// <summary>
    /// How many leases may hold the lock at once, over all nodes. If a current holder has a smaller limit, that limit applies.
    /// </summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit { get; init; } = 1;

    /// <summary>
    /// How long <see cref="ITaskLocks.TryAcquireAsync"/> waits for a lock that is taken, in queue order.
    /// <see cref="ITaskLocks.AcquireAsync"/> ignores it.
    /// </summary>
    /// <value>Default <see cref="TimeSpan.Zero"/>: a single attempt. At most one day.</value>
    public TimeSpan Wait { get; init; }

    /// <summary>The shortest time the lock stays taken after it was acquired, even if you dispose the lease sooner.</summary>
    /// <value>Default <see cref="TimeSpan.Zero"/>, at most <see cref="Expire"/>.</value>
    public TimeSpan MinHold { get; init; }
}
