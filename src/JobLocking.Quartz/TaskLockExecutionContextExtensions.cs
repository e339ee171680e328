using JobLocking.Quartz.Firings;

namespace Quartz;

/// <summary>What a job may want to know of its firing.</summary>
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
}
