namespace JobLocking;

/// <summary>Acquires locks by hand, lists them and breaks them. All members are thread-safe.</summary>
public interface ITaskLocks
{
    /// <summary>Tries to acquire a lock, once or for as long as <see cref="TaskLockOptions.Wait"/>.</summary>
    /// <param name="name">
    /// The name, not a template. <c>% { }</c> in it are percent-escaped, so <see cref="TaskLease.Name"/> may differ.
    /// After that it has at most 512 bytes of UTF-8. Jobs with the same resolved name share the lock. In the name of a job,
    /// <c>: @</c> within a value are escaped too; you cannot acquire such a name by hand.
    /// </param>
    /// <param name="options">How to hold the lock; null for the defaults of <see cref="TaskLockOptions"/>.</param>
    /// <param name="cancellationToken">
    /// Cancels the attempt. If Redis may already have granted the lock, it is released in the background.
    /// </param>
    /// <returns>The lease, which you dispose when the work is done; null if the lock was taken until the end of the wait.</returns>
    /// <exception cref="TaskLockException">The name or an option is not valid.</exception>
    /// <exception cref="TaskLockUnavailableException">The store is unavailable.</exception>
    /// <exception cref="ObjectDisposedException">The services were disposed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    ValueTask<TaskLease?> TryAcquireAsync(string name, TaskLockOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Acquires a lock, and waits in queue order until it is free. Locks are not re-entrant: a caller that already holds the lock
    /// waits for itself.
    /// </summary>
    /// <param name="name">As for <see cref="TryAcquireAsync"/>.</param>
    /// <param name="options">How to hold the lock; null for the defaults of <see cref="TaskLockOptions"/>.</param>
    /// <param name="cancellationToken">
    /// Cancels the wait. If Redis may already have granted the lock, it is released in the background.
    /// </param>
    /// <returns>The lease, which you dispose when the work is done.</returns>
    /// <exception cref="TaskLockException">The name or an option is not valid.</exception>
    /// <exception cref="TaskLockUnavailableException">The store is unavailable, or became unavailable during the wait.</exception>
    /// <exception cref="ObjectDisposedException">The services were disposed before or during the wait.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    ValueTask<TaskLease> AcquireAsync(string name, TaskLockOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Lists the locks that are taken, by jobs or by hand, in all processes that share the store, with their waiters.</summary>
    /// <param name="prefix">Lists only names that start with this prefix; null for all.</param>
    /// <param name="cancellationToken">Cancels the listing.</param>
    /// <returns>
    /// The locks, in no particular order. A lock that is acquired or released during the listing may or may not be included.
    /// </returns>
    /// <exception cref="TaskLockUnavailableException">The store is unavailable.</exception>
    IAsyncEnumerable<HeldLock> ListAsync(string? prefix = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Breaks a lock on behalf of an operator. This ends only the lease with the given fencing token, never its successor.
    /// Its holder learns of it at once through <see cref="TaskLease.Lost"/>.
    /// </summary>
    /// <param name="name">The resolved name, as <see cref="ListAsync"/> shows it.</param>
    /// <param name="fencingToken">The fencing token of the lease, as <see cref="ListAsync"/> shows it.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    /// <returns>True if the lease held the lock and was ended; false if it had already ended.</returns>
    /// <exception cref="TaskLockUnavailableException">The store is unavailable.</exception>
    ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken = default);
}
