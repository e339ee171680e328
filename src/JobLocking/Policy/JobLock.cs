namespace JobLocking.Policy;

/// <summary>A lock given to a job in code: to a whole type, or to the methods of that name.</summary>
internal sealed record JobLock(Type Type, string? Method, TaskLockAttribute Lock);
