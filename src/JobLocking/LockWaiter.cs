namespace JobLocking;

/// <summary>An execution that waits for a lock, in place or deferred.</summary>
/// <param name="Description">The waiting execution. Its <see cref="LockHolder.Since"/> is the time of its last request.</param>
/// <param name="Since">When it first joined the waiting queue, in UTC by the store's clock. The oldest waiter is woken next.</param>
public sealed record LockWaiter(LockHolder Description, DateTimeOffset Since);
