namespace JobLocking.Quartz;

/// <summary>A scheduler to which AddTaskLocks was applied.</summary>
/// <param name="Name">The name it is registered under; empty for the default one.</param>
internal sealed record LockedScheduler(string Name);
