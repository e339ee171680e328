namespace JobLocking.Stores;

/// <summary>One scheduled fire time of one job, the same on every node.</summary>
/// <param name="Job">The identity of the job.</param>
/// <param name="ScheduledTime">The nominal fire time, UTC.</param>
/// <param name="Firing">
/// The identity of the firing that runs it: the same for the first attempt and its retries, different for the firing of
/// another node.
/// </param>
/// <param name="IsRetry">The firing has run before and may run again although the occurrence is marked as done by it.</param>
public sealed record LockOccurrence(string Job, DateTimeOffset ScheduledTime, string Firing, bool IsRetry);
