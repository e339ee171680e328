using JobLocking.Quartz;

namespace Quartz;

/// <summary>
/// What a job may want to know of its firing. A deferred firing comes back by a trigger of its own, of which the properties of its
/// context tell; these tell of the firing that was deferred. For any other firing they are the properties of its context.
/// </summary>
public static class TaskLockExecutionContextExtensions
{
    /// <summary>
    /// The time for which the schedule meant the firing, UTC: the same on every node, for the first attempt and its retries,
    /// and for a run that was deferred or recovered, whose <see cref="IJobExecutionContext.ScheduledFireTimeUtc"/> is that of
    /// the trigger which brought it back. For the job that reports on yesterday.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset GetOriginalFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).ScheduledTime;
    }

    /// <summary>The trigger of the schedule, also of a firing that was deferred or recovered.</summary>
    /// <param name="context">The context of the execution.</param>
    public static TriggerKey GetOriginalTrigger(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).Trigger;
    }

    /// <summary>
    /// How often the occurrence was retried before: the <see cref="IJobExecutionContext.RetryAttempt"/> of a firing that was not
    /// deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static int GetOriginalRetryAttempt(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).RetryAttempt;
    }

    /// <summary>
    /// Whether the firing makes up for a run that its node did not live to end: <see cref="IJobExecutionContext.Recovering"/>, also of
    /// a recovery that was deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static bool GetOriginalRecovering(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).Recovering;
    }

    /// <summary>
    /// The fire time of the schedule before that of this firing, UTC: for the job that works on what has come since. Null if there is
    /// none, and for a firing that was recovered, or that an older version deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset? GetOriginalPreviousFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).PreviousTime;
    }

    /// <summary>
    /// The fire time of the schedule after that of this firing, UTC, which may have passed meanwhile. Null if there is none, and
    /// for a firing that was recovered, or that an older version deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset? GetOriginalNextFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).NextTime;
    }
}
