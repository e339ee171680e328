namespace JobLocking.Policy;

/// <summary>
/// Where an execution comes from. Everything but <see cref="Recurring"/> and <see cref="OneOff"/> is a second attempt, which is never
/// skipped for contention.
/// </summary>
public enum ExecutionOrigin
{
    /// <summary>
    /// The first attempt of a job that the schedule will run again by itself, unless <c>LockExecution.RunsAgain</c> says otherwise.
    /// </summary>
    Recurring,

    /// <summary>The first attempt of a job that runs once, or of a schedule that wants every one of its runs.</summary>
    OneOff,

    /// <summary>An attempt after a failed one.</summary>
    Retry,

    /// <summary>The scheduler delivers a job again that a worker had begun.</summary>
    Redelivery,

    /// <summary>The scheduler recovers a firing of a node that died.</summary>
    Recovery,

    /// <summary>An execution that was deferred has come back.</summary>
    Deferred,
}
