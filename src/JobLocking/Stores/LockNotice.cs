namespace JobLocking.Stores;

/// <summary>Something this process ought to know at once.</summary>
/// <param name="BrokenLeaseId">The id of a lease that an operator has ended; null when the connection to the store is back after it was gone.</param>
public readonly record struct LockNotice(string? BrokenLeaseId);
