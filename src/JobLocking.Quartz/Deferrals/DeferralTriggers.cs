using System.Security.Cryptography;
using System.Text;
using JobLocking.Engine;
using JobLocking.Quartz.Firings;
using JobLocking.Quartz.Hosting;
using JobLocking.Quartz.Telemetry;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz.Deferrals;

/// <summary>Brings deferred firings of one scheduler back by triggers that fire once.</summary>
internal sealed class DeferralTriggers(LockEngine engine, Wakes wakes, Lifetime lifetime, TimeProvider time, ILogger logger)
{
    private int _saidInMemory;

    /// <summary>Schedules the firing for later, unless it is already.</summary>
    /// <returns>What to report of the firing.</returns>
    /// <exception cref="JobExecutionException">It cannot be stored: then the firing fails, since to skip it would lose it.</exception>
    public async ValueTask<JobRunReport> StoreAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        Stored stored;
        try
        {
            await CheckOutlivesAsync(scheduler).ConfigureAwait(false);

            // Now, inside the firing: once it has ended, Quartz deletes a job that is not durable and has no trigger left.
            stored = firing.Origin == ExecutionOrigin.Recurring
                ? await StoreOneAsync(firing, execution, defer).ConfigureAwait(false)
                : await StoreAsync(firing, execution, defer, KeyOf(firing), TriggerConflict.Throw).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            engine.NotDeferred(defer);
            if (lifetime.IsStopping(scheduler))
            {
                Log.GivenUpByShutdown(logger, firing.Context.JobDetail.Key, execution.Execution, execution.Name);
            }

            throw new JobExecutionException($"The deferral could not be stored ({e.Message}): {defer.Reason}", e);
        }

        if (stored.IsCoalesced)
        {
            engine.NotDeferred(defer);
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, stored.Due);
            return Reports.Coalesced(execution, defer);
        }

        engine.Deferred(execution, defer, () => wakes.WakeAsync(scheduler, stored.Key, stored.Due));
        return Reports.Deferred(execution, defer);
    }

    /// <summary>
    /// A first attempt of a recurring trigger: all of them that want the same lock stand for the same work, so one deferral
    /// that is pending is enough, and keeps its place in the queue; under OncePerOccurrence, one for each occurrence. Two
    /// firings at once may both look before the other has stored: then two are pending, and none is lost.
    /// </summary>
    private async ValueTask<Stored> StoreOneAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        string work = Hash($"{Trigger(firing)}@{execution.Occurrence?.ScheduledTime:O} {execution.Name}");
        TriggerQuery query = new()
        {
            Group = GroupMatcher<TriggerKey>.GroupEquals(Deferral.Group),
            Name = NameMatcher<TriggerKey>.NameStartsWith(DeferralTrigger.Prefix(work)),
            Job = firing.Context.JobDetail.Key,
            Take = PagedQuery.All,
        };

        // Without a time to fire it has begun to, or has failed to; with attempts behind it, it is the retry of a run.
        PagedResult<TriggerHeader> found = await scheduler.QueryTriggers(query, CancellationToken.None).ConfigureAwait(false);
        TriggerHeader[] first = [.. found.Items.Where(t => t.RetryAttempt == 0 && (t.NextFireTimeUtc is not null || t.State == TriggerState.Error))];
        if (Array.Find(first, t => t.State is not (TriggerState.Paused or TriggerState.Error)) is { NextFireTimeUtc: { } due } pending)
        {
            return new Stored(pending.Key, due, IsCoalesced: true);
        }

        // It would swallow all that come after it, until somebody looks.
        if (first is [var stuck, ..])
        {
            Log.StuckDeferral(logger, stuck.Key, firing.Trigger, stuck.State, firing.Context.JobDetail.Key, execution.Execution);
            return await StoreAsync(firing, execution, defer, stuck.Key, TriggerConflict.Replace).ConfigureAwait(false);
        }

        return await StoreAsync(firing, execution, defer, DeferralTrigger.NewKey(work), TriggerConflict.Throw).ConfigureAwait(false);
    }

    /// <summary>
    /// Everything else has a deferral of its own, since nothing else stands for its work. One that came back too early goes on
    /// standing for what it stood for.
    /// </summary>
    private static TriggerKey KeyOf(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        return firing.Wait is not null
            ? DeferralTrigger.NewKeyAfter(context.Trigger.Key)
            : DeferralTrigger.NewKey(Hash($"{Trigger(firing)}@{firing.ScheduledTime:O}#{firing.Attempts} {context.FireInstanceId}"));
    }

    private async ValueTask<Stored> StoreAsync(Firing firing, LockExecution execution, LockDecision.Defer defer, TriggerKey key, TriggerConflict onConflict)
    {
        Deferral deferral = new(
            firing.Trigger,
            firing.ScheduledTime,
            defer.FirstDeferredAt,
            execution.Deferrals + 1,
            execution.DeferralsUnwoken + 1,
            firing.Attempts,
            defer.Ticket);
        IJobExecutionContext context = firing.Context;
        ITrigger trigger = DeferralTrigger.Create(context.Trigger, key, context.JobDetail.Key, RemainingRetries.Of(context), deferral, time.GetUtcNow() + defer.Delay);
        ScheduleTriggerResult result = await context.Scheduler.ScheduleTrigger(trigger, onConflict, CancellationToken.None).ConfigureAwait(false);
        return new Stored(key, result.NextFireTimeUtc, IsCoalesced: false);
    }

    private static string Trigger(Firing firing) => $"{firing.Trigger.Group.Length}:{firing.Trigger}";

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));

    /// <summary>A deferral in memory is worth a warning; at the stop it is worth nothing, and to report it would be a lie.</summary>
    private async ValueTask CheckOutlivesAsync(IScheduler scheduler)
    {
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        if (store.JobStorePersistent)
        {
            return;
        }

        if (lifetime.IsStopping(scheduler))
        {
            throw new SchedulerException("the scheduler stops, and keeps its triggers in memory");
        }

        if (Interlocked.Exchange(ref _saidInMemory, 1) == 0)
        {
            Log.DeferredInMemory(logger, scheduler.SchedulerName);
        }
    }

    /// <summary>The deferral that is pending now.</summary>
    private readonly record struct Stored(TriggerKey Key, DateTimeOffset Due, bool IsCoalesced);
}
