namespace JobLocking;

/// <summary>One lease of a lock at the moment of <see cref="ITaskLocks.ListAsync"/>. A lock with a limit can have several.</summary>
/// <param name="Name">The resolved name, as in <see cref="TaskLease.Name"/>, in the logs and in the Redis key.</param>
/// <param name="Holder">The holder; null for a foreign client, whose value JobLocking cannot read.</param>
/// <param name="FencingToken">The fencing token of the lease; null for a foreign client.</param>
/// <param name="TimeLeft">The time until the lease expires if it is not renewed; null for a key without an expiry.</param>
/// <param name="IsKept">True if the run has ended and the lock stays taken only because of <see cref="TaskLockAttribute.MinHold"/>.</param>
/// <param name="Waiters">
/// The executions that wait for the lock, in place or deferred, oldest first. Each lease of a lock has the same list.
/// </param>
public sealed record HeldLock(
    string Name, LockHolder? Holder, long? FencingToken, TimeSpan? TimeLeft, bool IsKept, IReadOnlyList<LockWaiter> Waiters);
