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
    private int _saidInMemory;

    /// <summary>Schedules the firing for later, unless it is already.</summary>
    /// <returns>What to report of the firing.</returns>
    /// <exception cref="JobExecutionException">It cannot be stored: then the firing fails, since to skip it would lose it.</exception>
    public async ValueTask<JobRunReport> StoreAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        DateTimeOffset? pending;
        try
        {
            await WarnIfInMemoryAsync(scheduler).ConfigureAwait(false);

            // Now, inside the firing: once it has ended, Quartz deletes a job that is not durable and has no trigger left.
            pending = firing.Origin == ExecutionOrigin.Recurring
                ? await StoreOneAsync(firing, execution, defer.Delay).ConfigureAwait(false)
                : await StoreOwnAsync(firing, execution, defer.Delay).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            throw new JobExecutionException($"The deferral could not be stored ({e.Message}): {defer.Reason}", e);
        }

        if (pending is { } until)
        {
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, until);
            return Reports.Coalesced(execution, defer);
        }

        engine.Deferred(execution, defer);
        return Reports.Deferred(execution, defer);
    }

    /// <summary>
    /// A first attempt of a recurring trigger: all of them stand for the same work, so one deferral that is pending is
    /// enough; under OncePerOccurrence, one for each occurrence. Its name begins with what they have in common and ends with
    /// the time it stands for: under one name for all, the next deferral would take the place of one that runs, and Quartz
    /// would put the retry of that run in the place of the next deferral. Two firings at once may both look before the other
    /// has stored: then two are pending, and none is lost.
    /// </summary>
    /// <returns>When the deferral fires that is pending already; null if there was none.</returns>
    private async ValueTask<DateTimeOffset?> StoreOneAsync(Firing firing, LockExecution execution, TimeSpan delay)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        string common = $"{Hash($"{Trigger(firing)}@{execution.Occurrence?.ScheduledTime:O}")}-";
        TriggerQuery query = new()
        {
            Group = GroupMatcher<TriggerKey>.GroupEquals(Deferral.Group),
            Name = NameMatcher<TriggerKey>.NameStartsWith(common),
            Job = firing.Context.JobDetail.Key,
            Take = PagedQuery.All,
        };

        // Without a time to fire it has begun to, or has failed to; with attempts behind it, it is the retry of a run.
        PagedResult<TriggerHeader> found = await scheduler.QueryTriggers(query, CancellationToken.None).ConfigureAwait(false);
        TriggerHeader[] first = [.. found.Items.Where(t => t.RetryAttempt == 0 && (t.NextFireTimeUtc is not null || t.State == TriggerState.Error))];
        if (Array.Find(first, t => t.State is not (TriggerState.Paused or TriggerState.Error)) is { } pending)
        {
            return pending.NextFireTimeUtc;
        }

        // It would swallow all that come after it, until somebody looks.
        if (first is [var stuck, ..])
        {
            Log.StuckDeferral(logger, stuck.Key, firing.Trigger, stuck.State, firing.Context.JobDetail.Key, execution.Execution);
            await scheduler.ScheduleTrigger(TriggerFor(firing, execution, delay, stuck.Key.Name), TriggerConflict.Replace, CancellationToken.None).ConfigureAwait(false);
            return null;
        }

        return await StoreAsync(scheduler, TriggerFor(firing, execution, delay, $"{common}{firing.ScheduledTime.UtcTicks}")).ConfigureAwait(false);
    }

    /// <summary>
    /// Everything else has a deferral of its own, since nothing else stands for its work. A deferral that comes back too early
    /// is not pending any more, so that its successor has its key.
    /// </summary>
    private ValueTask<DateTimeOffset?> StoreOwnAsync(Firing firing, LockExecution execution, TimeSpan delay)
    {
        IJobExecutionContext context = firing.Context;
        string name = firing.Wait is not null && !context.Recovering
            ? context.Trigger.Key.Name
            : Hash($"{Trigger(firing)}@{firing.ScheduledTime:O}#{firing.Attempts} {context.FireInstanceId}");
        return StoreAsync(context.Scheduler, TriggerFor(firing, execution, delay, name));
    }

    /// <summary>
    /// Built anew, not from the original's builder: a calendar or an end time could make it impossible, for a firing that
    /// the schedule has already let through; a continuation would make it wait; an overlap policy could drop it.
    /// </summary>
    private IMutableTrigger TriggerFor(Firing firing, LockExecution execution, TimeSpan delay, string name)
    {
        DateTimeOffset now = time.GetUtcNow();
        ITrigger original = firing.Context.Trigger;
        TriggerBuilder<IJob> builder = TriggerBuilder.Create(time)
            .WithIdentity(name, Deferral.Group)
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
        new Deferral(firing.Trigger, firing.ScheduledTime, execution.FirstDeferredAt ?? now, execution.Deferrals + 1, firing.Attempts).WriteTo(trigger.JobDataMap);
        return trigger;
    }

    private static async ValueTask<DateTimeOffset?> StoreAsync(IScheduler scheduler, IMutableTrigger trigger)
    {
        ScheduleTriggerResult stored = await scheduler.ScheduleTrigger(trigger, TriggerConflict.Keep, CancellationToken.None).ConfigureAwait(false);
        return stored.Outcome == ScheduleOutcome.Kept ? stored.NextFireTimeUtc : null;
    }

    private static string Trigger(Firing firing) => $"{firing.Trigger.Group.Length}:{firing.Trigger}";

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));

    private async ValueTask WarnIfInMemoryAsync(IScheduler scheduler)
    {
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        if (!store.JobStorePersistent && Interlocked.Exchange(ref _saidInMemory, 1) == 0)
        {
            Log.DeferredInMemory(logger, scheduler.SchedulerName);
        }
    }
}
