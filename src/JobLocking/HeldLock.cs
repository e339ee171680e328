namespace JobLocking;

/// <summary>A holding of a lock at the moment of <see cref="ITaskLocks.ListAsync"/>; a lock with a limit has several.</summary>
/// <param name="Name">The resolved name, as <see cref="TaskLease.Name"/>, the logs and the key in Redis have it.</param>
/// <param name="Holder">Who holds it; null when it is a foreign client, whose value is not one of ours.</param>
/// <param name="FencingToken">The fencing token of the lease; null for a foreign client.</param>
/// <param name="TimeLeft">Until it expires if nobody renews it; null for a key without expiry.</param>
/// <param name="IsKept">The run has ended and the lock is kept for <see cref="TaskLockAttribute.MinHold"/> only.</param>
/// <param name="Waiters">Who waits for the lock, in place or deferred, oldest first; the same beside each of its holders.</param>
public sealed record HeldLock(
    string Name, LockHolder? Holder, long? FencingToken, TimeSpan? TimeLeft, bool IsKept, IReadOnlyList<LockWaiter> Waiters);
