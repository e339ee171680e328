namespace JobLocking.Stores;

/// <summary>
/// Where the locks live. A store passes the contract suite of the repository; it decides nothing but which leases hold a lock.
/// Every call throws <see cref="LockStoreException"/> when the store is unavailable. The exception also says whether the call
/// may have been applied all the same.
/// </summary>
public interface ILockStore
{
    /// <summary>
    /// Grants the lock if it has room, in one atomic step: judges the occurrence first, mints the fencing token,
    /// marks the occurrence as running; or puts the execution into the waiting queue, so that no release falls between. Called again
    /// with the same <see cref="AcquireRequest.LeaseId"/> while that lease holds the lock, grants it again with the same token and a
    /// full expiry.
    /// </summary>
    ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Renews leases: each, and the mark of its occurrence, expires after its expiry from now, or later if it has longer to live.
    /// Never re-creates a missing lease. Each lease has its own result: one that fails harms no other, and one whose answer comes
    /// late delays no other.
    /// </summary>
    /// <remarks>
    /// Continues on the <see cref="TaskScheduler.Current"/> of the caller: the engine renews on a thread of its own, which no blocked job
    /// holds up.
    /// </remarks>
    /// <param name="leases">The leases.</param>
    /// <param name="onResults">
    /// Called with the answers as they come, some at a time, by one thread at a time. A lease that is not among them when the call ends
    /// is not known to be renewed.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting for answers.</param>
    ValueTask RenewAsync(
        ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken);

    /// <summary>
    /// Ends a lease if, and only if, it still holds the lock; keeps the lock for a time if asked to. Marks or clears the
    /// occurrence whether or not the lease still held. Then, if the lock has room for the oldest waiter, wakes it: takes it out of
    /// the queue and sends its process a <see cref="LockNotification.WakeUp"/>. If that process does not listen, wakes the next.
    /// Also the compensation of an acquire whose answer is unknown.
    /// </summary>
    ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Declines a wake-up: if the lock has room for the oldest waiter, wakes it as a release does. While the lock is kept, wakes it for
    /// the moment at which the lock becomes free.
    /// </summary>
    ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Takes a waiter out of the queue. Since that waiter may have been woken, then does what <see cref="DeclineAsync"/> does.
    /// </summary>
    ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Finds out whether a waiter should try to acquire the lock, for wake-ups that were lost and holders that have expired. If the lock
    /// has room, wakes the oldest waiter as a release does; the process that polls learns of its own waiter by the result. Otherwise
    /// makes sure that the polled waiter is in the queue.
    /// </summary>
    ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Whether the store has a mark of the occurrence: a lease runs it, or it has been run and that is still remembered.
    /// </summary>
    ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken);

    /// <summary>
    /// Calls <paramref name="onNotification"/>, from any thread, for each notification to this process. Returns when the process is
    /// subscribed; notifications that are sent before that, or while the store is out of reach, are lost.
    /// </summary>
    /// <returns>Dispose it to unsubscribe.</returns>
    ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken);

    /// <summary>
    /// The locks that are held and whose resolved name starts with <paramref name="prefix"/>: one for each holder, with all waiters.
    /// </summary>
    IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken);

    /// <summary>
    /// Ends the lease with this fencing token if it holds the lock, notifies the process that holds it, and wakes the oldest waiter as a
    /// release does.
    /// </summary>
    ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken);

    /// <summary>
    /// Proves that locks can be acquired: acquires and releases one of its own, which <see cref="ListAsync"/> does not show, and receives a
    /// notification that this process sends to itself. Throws <see cref="LockStoreException"/>, with the store's own words, if a lock
    /// cannot be acquired. Called at start, and every few seconds by health checks.
    /// </summary>
    /// <returns>
    /// A warning for operators if locks can be acquired, but something does not work as it should (eviction, notifications, clocks);
    /// otherwise null.
    /// </returns>
    ValueTask<string?> CheckAsync(CancellationToken cancellationToken);

    /// <summary>
    /// The server of the store that keeps a lock, as far as it is known without a request. Called before each acquire: it must cost next
    /// to nothing.
    /// </summary>
    LockServer ServerOf(string name) => LockServer.AlwaysThere;
}
