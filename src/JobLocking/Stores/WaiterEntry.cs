namespace JobLocking.Stores;

/// <summary>A place in the queue of a lock.</summary>
/// <param name="Id">Of the execution that waits: the same each time it is parked, in whichever process. 22 characters of base64url.</param>
/// <param name="Patience">After which time the place lapses by itself. Zero in a look: it gets no place that it does not have.</param>
/// <param name="Since">When the execution was parked first, by the store's clock, as <see cref="AcquireResult.QueuedSince"/> said: it gets that place again. 0 if it was not, or nobody knows: it keeps the place that it has, or gets one behind all others.</param>
/// <param name="Spends">In an acquire: the deferral that the lease spends, as an id that is the same in all executions that come from it. A lease is granted for the first of them, the others are told <see cref="AcquireOutcome.DeferralSpent"/>. Null if it spends none.</param>
/// <param name="SpentFor">How long the store remembers that it was spent, and by which lease.</param>
public sealed record WaiterEntry(string Id, TimeSpan Patience, long Since = 0, string? Spends = null, TimeSpan SpentFor = default);
