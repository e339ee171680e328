namespace JobLocking.Stores;

/// <summary>A safety poll for one waiter: finds out whether it should try to acquire the lock, without taking the lock.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="Limit">As in <see cref="AcquireRequest.Limit"/>.</param>
/// <param name="Waiter">
/// The polled waiter. If the lock has no room, it is put back into the waiting queue at its position, unless another process has done
/// that meanwhile.
/// </param>
/// <param name="Holder">Describes the execution that waits.</param>
/// <param name="Occurrence">The occurrence it stands by for; null for none.</param>
/// <param name="Others">
/// Other waiters of the same process for this lock, at most 100. They are put back into the queue in the same way, whether or not the
/// lock has room. Null for none.
/// </param>
public sealed record PollRequest(
    string Name,
    int Limit,
    WaiterEntry Waiter,
    LockHolder Holder,
    LockOccurrence? Occurrence = null,
    IReadOnlyList<OtherWaiter>? Others = null);

/// <summary>A waiter that is put back into the waiting queue together with the one of a <see cref="PollRequest"/>.</summary>
/// <param name="Waiter">The waiter.</param>
/// <param name="Limit">As in <see cref="AcquireRequest.Limit"/>.</param>
/// <param name="Holder">Describes the execution that waits.</param>
public sealed record OtherWaiter(WaiterEntry Waiter, int Limit, LockHolder Holder);

/// <summary>
/// What a safety poll found, and did. If the lock has room, the poll wakes the oldest waiter as a release does, in whichever process it
/// is. Until that waiter has had time to accept, no other poll wakes another. After that a poll lets the polled waiter try. There is
/// more time to accept, as much as between two safety polls, once three wake-ups in a row were not accepted.
/// </summary>
/// <param name="IsFree">
/// The polled waiter should try: it was woken by this poll, the lock has room for it, and no lease runs its occurrence. It has left the
/// waiting queue, unless another process has put it there.
/// </param>
/// <param name="TimeLeft">
/// When to poll again: until the first holder expires, or the runner of the occurrence, if it is not renewed; or until a wake-up should
/// have been accepted. Null if none of this is known.
/// </param>
/// <param name="QueuedSince">As in <see cref="AcquireResult.QueuedSince"/>.</param>
/// <param name="WasQueued">
/// The polled waiter was in the queue before the poll, or has just left it to be woken. If not, the other waiters of the process may also
/// be missing there.
/// </param>
/// <param name="Others">
/// Since when each of the <see cref="PollRequest.Others"/> is in the queue, in their order; 0 for each that is not. Null for none.
/// </param>
public readonly record struct PollResult(
    bool IsFree, TimeSpan? TimeLeft = null, long QueuedSince = 0, bool WasQueued = false, IReadOnlyList<long>? Others = null);
