using JobLocking.Quartz;

namespace Quartz;

/// <summary>
/// The original firing of a job. A deferred firing comes back with a trigger of its own, and the properties of its context describe that
/// trigger; these methods describe the firing that was deferred. For any other firing they return the properties of its context.
/// </summary>
public static class TaskLockExecutionContextExtensions
{
    /// <summary>
    /// The fire time in the schedule, UTC. It is the same on every node, for the first attempt, its retries, and a run that was deferred or
    /// recovered, whose <see cref="IJobExecutionContext.ScheduledFireTimeUtc"/> is that of the trigger that brought it back. Use it, for
    /// example, in a job that reports on the day before.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset GetOriginalFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).ScheduledTime;
    }

    /// <summary>The trigger of the schedule, also for a firing that was deferred or recovered.</summary>
    /// <param name="context">The context of the execution.</param>
    public static TriggerKey GetOriginalTrigger(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).Trigger;
    }

    /// <summary>
    /// How often the occurrence was retried before: like <see cref="IJobExecutionContext.RetryAttempt"/>, but a deferral does not reset it.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static int GetOriginalRetryAttempt(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).RetryAttempt;
    }

    /// <summary>
    /// Whether the firing recovers a run whose node died: like <see cref="IJobExecutionContext.Recovering"/>, also for a recovery that was
    /// deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static bool GetOriginalRecovering(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).Recovering;
    }

    /// <summary>
    /// The previous fire time of the schedule, UTC: for a job that processes what has arrived since. Null if there is none, and for a
    /// firing
    /// that was recovered, or that an older version deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset? GetOriginalPreviousFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).PreviousTime;
    }

    /// <summary>
    /// The next fire time of the schedule, UTC, which may be in the past by now. Null if there is none, and for a firing that was
    /// recovered,
    /// or that an older version deferred.
    /// </summary>
    /// <param name="context">The context of the execution.</param>
    public static DateTimeOffset? GetOriginalNextFireTimeUtc(this IJobExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return Firing.Of(context).NextTime;
    }
}
