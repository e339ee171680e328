namespace JobLocking.Stores;

/// <summary>A look at a lock on behalf of a parked execution, without taking it.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="Limit">As in <see cref="AcquireRequest.Limit"/>.</param>
/// <param name="Waiter">The place of the execution: parked again, in the same place, if the lock has no room and no other process has parked it meanwhile.</param>
/// <param name="Holder">Who waits.</param>
/// <param name="Occurrence">The occurrence it stands by for; null for none.</param>
/// <param name="Others">More places of the same process at this lock, at most 100: made sure of in the same way, whether or not the lock has room; null for none.</param>
public sealed record PollRequest(
    string Name, int Limit, WaiterEntry Waiter, LockHolder Holder, LockOccurrence? Occurrence = null, IReadOnlyList<OtherWaiter>? Others = null);

/// <summary>A place in a queue that is made sure of beside that of a <see cref="PollRequest"/>.</summary>
/// <param name="Waiter">The place.</param>
/// <param name="Limit">As in <see cref="AcquireRequest.Limit"/>.</param>
/// <param name="Holder">Who waits.</param>
public sealed record OtherWaiter(WaiterEntry Waiter, int Limit, LockHolder Holder);

/// <summary>
/// What a look saw, and did: if the lock has room for the oldest execution that is parked, that has its turn as after a release,
/// in whichever process it is. The next look wakes no other before there was time to accept; then the one that is looked for. There
/// is more time, as much as between two safety polls, once three wake-ups that were not accepted have each been followed by another.
/// </summary>
/// <param name="IsFree">The execution should try: it is its turn, the lock has room for it, and nobody is running its occurrence. It is not parked any more, unless by another process.</param>
/// <param name="TimeLeft">When to look again: until the first holder expires, or the runner of the occurrence, if nobody renews it; or until a wake-up should have been accepted. Null if nothing of this is known.</param>
/// <param name="QueuedSince">As in <see cref="AcquireResult.QueuedSince"/>.</param>
/// <param name="WasQueued">Its place was there before the look, or was given up for its turn just now. If not, the others of the process may have lost theirs, too.</param>
/// <param name="Others">Since when each of the <see cref="PollRequest.Others"/> is parked, in their order; 0 for each that is not. Null for none.</param>
public readonly record struct PollResult(
    bool IsFree, TimeSpan? TimeLeft = null, long QueuedSince = 0, bool WasQueued = false, IReadOnlyList<long>? Others = null);
