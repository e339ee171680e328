namespace JobLocking.Stores;

/// <summary>
/// One scheduled fire time of one job, the same on every node; or one job that its scheduler stores, see <see cref="OfStoredJob"/>.
/// </summary>
/// <param name="Job">The job, the same on every node.</param>
/// <param name="ScheduledTime">The nominal fire time, UTC.</param>
/// <param name="IsRetry">The scheduler runs it again after a failure: it may, unless the occurrence has succeeded meanwhile.</param>
public sealed record LockOccurrence(string Job, DateTimeOffset ScheduledTime, bool IsRetry)
{
    /// <summary>The application that the job belongs to; the engine fills it in.</summary>
    public string Application { get; init; } = "";

    /// <summary>The scheduler that the job belongs to, the same on every node; empty for the one without a name of its own.</summary>
    public string Scheduler { get; init; } = "";

    /// <summary>The trigger that fires the job, the same on every node; empty where the job alone identifies the work.</summary>
    public string Trigger { get; init; } = "";

    /// <summary>The id that its scheduler gave to a stored job; empty for a fire time.</summary>
    public string StoredJob { get; init; } = "";

    /// <summary>
    /// A job that its scheduler stores under an id and may deliver to a second worker while the first still runs it.
    /// </summary>
    /// <remarks>
    /// Neither the application nor the scheduler counts: servers of several applications may run the jobs of one storage, and two that did
    /// not know each other's runs would run a job twice.
    /// </remarks>
    /// <param name="id">Identifies the job among those of all schedulers that share the store.</param>
    /// <param name="isSecondDelivery">
    /// The scheduler says that the job is running: this delivery must not run it while the store remembers that it runs or has just ended.
    /// Any other attempt only must not run beside another.
    /// </param>
    public static LockOccurrence OfStoredJob(string id, bool isSecondDelivery) =>
        new("", default, IsRetry: !isSecondDelivery) { StoredJob = id };
}

/// <summary>How the run of an occurrence ended.</summary>
public enum OccurrenceOutcome
{
    /// <summary>It did not come to its end, through no fault of the job: another node may run it.</summary>
    Unfinished,

    /// <summary>It succeeded: the occurrence is not run again.</summary>
    Succeeded,

    /// <summary>It failed: only a retry runs the occurrence again.</summary>
    Failed,

    /// <summary>It ended, well or not: only a second delivery of a stored job is refused.</summary>
    Ended,
}

/// <summary>The end of the run of an occurrence. A mark of another lease is left alone.</summary>
/// <param name="Occurrence">The occurrence.</param>
/// <param name="Holder">The holder that ran it, for the mark.</param>
/// <param name="Outcome">How it ended: the mark is written, or removed if it was unfinished.</param>
/// <param name="Retention">How long the mark is kept.</param>
public sealed record OccurrenceEnd(LockOccurrence Occurrence, LockHolder Holder, OccurrenceOutcome Outcome, TimeSpan Retention);
