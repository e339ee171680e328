using System.Security.Cryptography;
using System.Text;
using JobLocking.Engine;
using JobLocking.Quartz.Firings;
using JobLocking.Quartz.Telemetry;
using Microsoft.Extensions.Logging;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz.Deferrals;

/// <summary>Brings deferred firings of one scheduler back by triggers that fire once.</summary>
internal sealed class DeferralTriggers(LockEngine engine, TimeProvider time, ILogger logger)
{
    private const string Group = "joblocking";

    private int _saidInMemory;

    /// <summary>Schedules the firing for later, unless it is already.</summary>
    /// <returns>What to report of the firing.</returns>
    /// <exception cref="JobExecutionException">It cannot be stored: then the firing fails, since to skip it would lose it.</exception>
    public async ValueTask<JobRunReport> StoreAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        ITrigger trigger = TriggerFor(firing, execution, defer.Delay);
        ScheduleTriggerResult stored;
        try
        {
            await WarnIfInMemoryAsync(scheduler).ConfigureAwait(false);

            // Now, inside the firing: once it has ended, Quartz deletes a job that is not durable and has no trigger left.
            // A firing of the deferral itself is not pending any more, so that it stores its successor under the same key.
            stored = await scheduler.ScheduleTrigger(trigger, TriggerConflict.Keep, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            throw new JobExecutionException($"The deferral could not be stored ({e.Message}): {defer.Reason}", e);
        }

        if (stored.Outcome == ScheduleOutcome.Kept)
        {
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, stored.NextFireTimeUtc);
            return Reports.Coalesced(execution, defer);
        }

        engine.Deferred(execution, defer);
        return Reports.Deferred(execution, defer);
    }

    /// <summary>
    /// Built anew, not from the original's builder: a calendar or an end time could make it impossible, for a firing that
    /// the schedule has already let through; a continuation would make it wait; an overlap policy could drop it.
    /// </summary>
    private ITrigger TriggerFor(Firing firing, LockExecution execution, TimeSpan delay)
    {
        DateTimeOffset now = time.GetUtcNow();
        ITrigger original = firing.Context.Trigger;
        TriggerBuilder<IJob> builder = TriggerBuilder.Create(time)
            .WithIdentity(NameOf(firing, execution), Group)
            .ForJob(firing.Context.JobDetail.Key)
            .WithDescription(original.Description)
            .WithPriority(original.Priority)
            .WithPreferredNode(original.PreferredNode)
            .WithRetryPolicy(RemainingRetries.Of(firing.Context))
            .UsingJobData(original.JobDataMap)
            .StartAt(now + delay)
            .WithSchedule(SimpleScheduleBuilder.Create().WithMisfireInstruction(SimpleTriggerMisfireInstruction.FireNow));
        if (original.MisfireThreshold is { } threshold)
        {
            builder.WithMisfireThreshold(threshold);
        }

        IMutableTrigger trigger = (IMutableTrigger)builder.Build();

        // The builder would take the braces of a resolved group for a template.
        trigger.ExecutionGroup = original.ExecutionGroup;
        new Deferral(firing.Trigger, firing.ScheduledTime, firing.Deferred?.FirstDeferredAt ?? now, execution.Deferrals + 1, firing.Attempts).WriteTo(trigger.JobDataMap);
        return trigger;
    }

    /// <summary>The same for every deferral of the trigger, so that one is pending at most; under OncePerOccurrence, for every deferral of the occurrence.</summary>
    private static string NameOf(Firing firing, LockExecution execution)
    {
        string name = $"{firing.Trigger.Group.Length}:{firing.Trigger}@{execution.Occurrence?.ScheduledTime:O}";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 16));
    }

    private async ValueTask WarnIfInMemoryAsync(IScheduler scheduler)
    {
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        if (!store.JobStorePersistent && Interlocked.Exchange(ref _saidInMemory, 1) == 0)
        {
            Log.DeferredInMemory(logger, scheduler.SchedulerName);
        }
    }
}
