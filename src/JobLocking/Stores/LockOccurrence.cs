namespace JobLocking.Stores;

/// <summary>One scheduled fire time of one job, the same on every node.</summary>
/// <param name="Job">The identity of the job.</param>
/// <param name="ScheduledTime">The nominal fire time, UTC.</param>
/// <param name="IsRetry">The scheduler runs it again after a failure: it may, unless the occurrence has succeeded meanwhile.</param>
public sealed record LockOccurrence(string Job, DateTimeOffset ScheduledTime, bool IsRetry);
