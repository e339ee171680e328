namespace JobLocking.Stores;

/// <summary>
/// Where the locks live. A store keeps to the contract suite of the repository; it decides nothing but who holds a lock.
/// Every call throws <see cref="LockStoreException"/> when the store cannot be asked, which also says whether the call
/// may have been applied all the same.
/// </summary>
public interface ILockStore
{
    /// <summary>
    /// Grants the lock if it has room, in one atomic step: judges the occurrence first, mints the fencing token,
    /// marks the occurrence as running; or parks who asks, so that no release falls between. Asked again with the same
    /// <see cref="AcquireRequest.LeaseId"/> while that lease holds the lock, grants it again with the same token and a full expiry.
    /// </summary>
    ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Gives each lease its expiry anew, counted from now, unless it has longer to live; the mark of its occurrence too.
    /// Never re-creates a missing lease. The result of each lease is its own: one that fails harms no other, and one that is
    /// answered late delays no other.
    /// </summary>
    /// <remarks>Goes on where it was called, on <see cref="TaskScheduler.Current"/>: the engine renews on a thread of its own, which no blocked job holds up.</remarks>
    /// <param name="leases">The leases.</param>
    /// <param name="onResults">Called with the answers as they come, some at a time, by one thread at a time. A lease that is not among them when the call ends is not known to be renewed.</param>
    /// <param name="cancellationToken">Gives up waiting for answers.</param>
    ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken);

    /// <summary>
    /// Ends a lease if, and only if, it still holds the lock; keeps the lock for a time if asked to. Marks or clears the
    /// occurrence whether or not the lease still held. Forgets the parked execution, if one is given. Then, if the lock has
    /// room for it, it is the turn of the oldest that is parked: it is taken out of the queue and its process told, by a
    /// <see cref="LockNotification.WakeUp"/>; the next one, where nobody listens. Also the compensation of an acquire whose answer is
    /// unknown, and the passing on of a turn that is not taken.
    /// </summary>
    ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Sees whether a parked execution should try, for turns that got lost and holders whose time has passed; if not, makes sure
    /// of its place. If the lock has room, it is the turn of the oldest that is parked, as after a release; the process that asks
    /// learns of its own by the result.
    /// </summary>
    ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Has <paramref name="onNotification"/> called, from any thread, for what concerns this process. Returns when it listens;
    /// until then, and while the store is out of reach, notices are lost.
    /// </summary>
    /// <returns>Dispose it to stop listening.</returns>
    ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken);

    /// <summary>The locks that are held and whose resolved name starts with <paramref name="prefix"/>: one for each holder, with all who are parked.</summary>
    IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken);

    /// <summary>Ends the lease with this fencing token if it holds the lock, tells the process that holds it, and gives the turn to the next as a release does.</summary>
    ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken);

    /// <summary>
    /// Proves that locks can be had: takes and gives back one of its own, which <see cref="ListAsync"/> does not show, and hears a
    /// notification that this process sends to itself. Throws <see cref="LockStoreException"/>, with the store's own words, if a lock
    /// cannot be had. Called at start, and every few seconds by health checks.
    /// </summary>
    /// <returns>A warning for operators if locks can be had, but something does not work as it should (eviction, notifications, clocks), else null.</returns>
    ValueTask<string?> CheckAsync(CancellationToken cancellationToken);

    /// <summary>The part of the store that keeps a lock, as far as it is known without a request. Called before each acquire: it must cost next to nothing.</summary>
    LockServer ServerOf(string name) => LockServer.AlwaysThere;
}
