namespace JobLocking.Stores;

/// <summary>A waiter of this process was woken and does not ask for the lock: another waiter may.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="NotAcceptedBy">
/// The id of the waiter that was woken, if it has not asked in time and may still do so. The store wakes another waiter only if no
/// other was woken or left the queue since, and only if fewer than three were woken in a row for this reason. Null to wake another in
/// any case.
/// </param>
public readonly record struct DeclineRequest(string Name, string? NotAcceptedBy = null);
