namespace JobLocking;

/// <summary>The locks, taken by hand, listed and broken. Safe to use from many threads.</summary>
public interface ITaskLocks
{
    /// <summary>Tries to take a lock: once, or for as long as <see cref="TaskLockOptions.Wait"/> says.</summary>
    /// <param name="name">
    /// The name, used as it stands; <c>% { }</c> in it are percent-escaped, so <see cref="TaskLease.Name"/> may differ.
    /// At most 512 bytes of UTF-8 after that. It is the lock of the jobs whose resolved name is the same; a value in the name
    /// of a job has <c>: @</c> escaped as well, and so is not reached by hand if it has one of them.
    /// </param>
    /// <param name="options">How to hold it; null for the defaults of <see cref="TaskLockOptions"/>.</param>
    /// <param name="cancellationToken">Gives up the try. If Redis may already have granted it, it is given back in the background.</param>
    /// <returns>The lease, to be disposed when the work is done, or null when somebody else holds the lock, to the end of the wait.</returns>
    /// <exception cref="TaskLockException">The name or an option is not valid.</exception>
    /// <exception cref="TaskLockUnavailableException">The store cannot be asked.</exception>
    /// <exception cref="ObjectDisposedException">The services were disposed of.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    ValueTask<TaskLease?> TryAcquireAsync(string name, TaskLockOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes a lock as soon as it is free, in the order of the queue. Locks are not re-entrant: who holds it already waits for
    /// itself.
    /// </summary>
    /// <param name="name">As for <see cref="TryAcquireAsync"/>.</param>
    /// <param name="options">How to hold it; null for the defaults of <see cref="TaskLockOptions"/>.</param>
    /// <param name="cancellationToken">Ends the wait. If Redis may already have granted the lock, it is given back in the background.</param>
    /// <returns>The lease, to be disposed when the work is done.</returns>
    /// <exception cref="TaskLockException">The name or an option is not valid.</exception>
    /// <exception cref="TaskLockUnavailableException">The store cannot be asked, or cannot be asked any more.</exception>
    /// <exception cref="ObjectDisposedException">The services were disposed of, before or while it waited.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    ValueTask<TaskLease> AcquireAsync(string name, TaskLockOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Lists the locks that are taken, with who waits for them, by jobs and by hand, of every process that shares the store.</summary>
    /// <param name="prefix">Only names that start with it; null for all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <returns>The locks in no order. A lock taken or released meanwhile may or may not be among them.</returns>
    /// <exception cref="TaskLockUnavailableException">The store cannot be asked.</exception>
    IAsyncEnumerable<HeldLock> ListAsync(string? prefix = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Frees a lock in an operator's name. Only the lease they saw is ended, never its successor; its holder is told at
    /// once through <see cref="TaskLease.Lost"/>.
    /// </summary>
    /// <param name="name">The resolved name as <see cref="ListAsync"/> shows it.</param>
    /// <param name="fencingToken">The fencing token that <see cref="ListAsync"/> showed beside it.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    /// <returns>True if that lease held the lock and was ended; false if it had already ended.</returns>
    /// <exception cref="TaskLockUnavailableException">The store cannot be asked.</exception>
    ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken = default);
}
