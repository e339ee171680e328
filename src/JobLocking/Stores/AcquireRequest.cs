namespace JobLocking.Stores;

/// <summary>One logical acquire; sent again unchanged when its answer did not come.</summary>
/// <param name="Name">The resolved name: at most 512 bytes of UTF-8, without braces.</param>
/// <param name="LeaseId">Made new for each logical acquire: 22 characters of base64url.</param>
/// <param name="Expiry">How long the lease lives from the moment the store grants it.</param>
/// <param name="Holder">Who asks.</param>
/// <param name="Occurrence">The occurrence to be judged before the lock; null for none.</param>
/// <param name="Limit">How many leases may hold the lock at once as far as the asker knows. None is granted while one with a smaller limit holds and that is reached.</param>
/// <param name="Waiter">How the asker is parked if it is refused; null not to be.</param>
public readonly record struct AcquireRequest(
    string Name, string LeaseId, TimeSpan Expiry, LockHolder Holder, LockOccurrence? Occurrence = null, int Limit = 1, WaiterEntry? Waiter = null);
