namespace JobLocking.Stores;

/// <summary>A waiter does not wait any more.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="WaiterId">
/// The id of the waiter. The store forgets the last wake-up of the lock even if the waiter is not in the queue.
/// </param>
public readonly record struct LeaveRequest(string Name, string WaiterId);
