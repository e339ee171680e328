using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Keeps the retry of a deferral that fired on this node while another node of the cluster replaced its trigger. Quartz stores a retry in
/// the row of the trigger, which is gone, and the new trigger did not run the job, because the deferral was spent. So this restores the
/// row just before Quartz writes the retry into it, and the job as well, if it was not durable and lost its last trigger.
/// </summary>
/// <remarks>
/// Quartz acquires triggers ahead of their time, so another node may have acquired the row before the retry is written. Then the retry
/// may run twice, one run after the other; it is not lost.
/// </remarks>
internal sealed class RetryOfReplacedDeferral(ILogger logger) : ITriggerListener
{
    public string Name => "JobLocking.RetryOfReplacedDeferral";

    public async ValueTask TriggerComplete(
        ITrigger trigger,
        IJobExecutionContext context,
        SchedulerInstruction triggerInstructionCode,
        CancellationToken cancellationToken = default)
    {
        if (triggerInstructionCode == SchedulerInstruction.RetryTrigger && StoredDeferral.ReadFrom(trigger.JobDataMap) is { } deferral)
        {
            try
            {
                await KeepAsync(trigger, deferral, context).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Log.RetryNotKept(logger, e, trigger.Key, context.JobDetail.Key, context.FireInstanceId);
            }
        }
    }

    private static async ValueTask KeepAsync(ITrigger trigger, StoredDeferral deferral, IJobExecutionContext context)
    {
        // Within one process a firing knows that its trigger was replaced, and does not run.
        IScheduler scheduler = context.Scheduler;
        if (!(await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false)).JobStoreClustered
            || await scheduler.GetTrigger(trigger.Key, CancellationToken.None).ConfigureAwait(false) is not null)
        {
            return;
        }

        // It starts at the time of the retry: a later start would add a fire time. Without a deferral state it is taken neither for a
        // copy nor for the replaced trigger, even if it fires before the retry is written.
        DateTimeOffset start = trigger.NextFireTimeUtc ?? scheduler.TimeProvider.GetUtcNow();
        ITrigger kept = DeferralTrigger.Create(
            trigger, trigger.Key, trigger.JobKey, trigger.RetryPolicy, deferral with { State = null }, start, scheduler.TimeProvider);
        _ = await scheduler.GetJobDetail(trigger.JobKey, CancellationToken.None).ConfigureAwait(false) is null
            ? await scheduler.ScheduleJob(context.JobDetail, kept, cancellationToken: CancellationToken.None).ConfigureAwait(false)
            : await scheduler.ScheduleJob(kept, cancellationToken: CancellationToken.None).ConfigureAwait(false);
    }
}
