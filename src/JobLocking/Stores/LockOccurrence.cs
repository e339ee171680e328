namespace JobLocking.Stores;

/// <summary>One scheduled fire time of one job, the same on every node.</summary>
/// <param name="Job">The job, the same on every node.</param>
/// <param name="ScheduledTime">The nominal fire time, UTC.</param>
/// <param name="IsRetry">The scheduler runs it again after a failure: it may, unless the occurrence has succeeded meanwhile.</param>
public sealed record LockOccurrence(string Job, DateTimeOffset ScheduledTime, bool IsRetry)
{
    /// <summary>The application that the job belongs to; the engine fills it in.</summary>
    public string Application { get; init; } = "";

    /// <summary>The scheduler that the job belongs to, the same on every node; empty for the one without a name of its own.</summary>
    public string Scheduler { get; init; } = "";
}
