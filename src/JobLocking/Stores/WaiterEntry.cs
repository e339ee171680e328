namespace JobLocking.Stores;

/// <summary>How a waiter is listed in the waiting queue of a lock.</summary>
/// <param name="Id">The id of the waiter: the same each time it is listed, in whichever process. 22 characters of base64url.</param>
/// <param name="LapsesAfter">
/// How long the entry lives unless it is listed again. Zero in a safety poll: a waiter that is not in the queue is not put there.
/// </param>
/// <param name="Since">
/// When the waiter was listed first, by the store's clock, as <see cref="AcquireResult.QueuedSince"/> said: it gets that position again.
/// 0 if that is not known: it keeps the position that it has, or gets one behind all others.
/// </param>
/// <param name="Spends">
/// In an acquire: the deferral that the lease spends, as an id that is the same in all executions that come from it. A lease is granted
/// for the first of them; for the others the answer is <see cref="AcquireOutcome.DeferralSpent"/>. Null if it spends none.
/// </param>
/// <param name="SpentFor">How long the store remembers that the deferral was spent, and by which lease.</param>
public sealed record WaiterEntry(string Id, TimeSpan LapsesAfter, long Since = 0, string? Spends = null, TimeSpan SpentFor = default);
