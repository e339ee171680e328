namespace JobLocking;

/// <summary>An execution that waits for a lock, in place or deferred.</summary>
/// <param name="Description">Who waits; <see cref="LockHolder.Since"/> is when it last asked.</param>
/// <param name="Since">When it was parked first, UTC by the store's clock: the oldest has the next turn.</param>
public sealed record LockWaiter(LockHolder Description, DateTimeOffset Since);
