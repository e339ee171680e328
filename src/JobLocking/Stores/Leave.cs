namespace JobLocking.Stores;

/// <summary>A waiter does not wait any more.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="WaiterId">The id of the waiter; one that is not in the queue changes nothing there.</param>
public readonly record struct LeaveRequest(string Name, string WaiterId);
