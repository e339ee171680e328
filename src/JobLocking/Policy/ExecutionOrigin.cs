namespace JobLocking.Policy;

/// <summary>Where an execution comes from. Everything but <see cref="Recurring"/> and <see cref="OneOff"/> is a second attempt, which is never skipped for contention.</summary>
public enum ExecutionOrigin
{
    /// <summary>The first attempt of something the schedule will run again by itself, unless <c>LockExecution.RunsAgain</c> says otherwise.</summary>
    Recurring,

    /// <summary>The first attempt of something that runs once, or that the schedule wants however often it runs again.</summary>
    OneOff,

    /// <summary>An attempt after one that failed.</summary>
    Retry,

    /// <summary>The scheduler hands out a job again that somebody had begun.</summary>
    Redelivery,

    /// <summary>The scheduler recovers a firing of a node that died.</summary>
    Recovery,

    /// <summary>An execution that was deferred has come back.</summary>
    Deferred,
}
