using System.Security.Cryptography;
using System.Text;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Brings deferred firings of one scheduler back by triggers that fire once.</summary>
internal sealed class DeferralTriggers(Wakes wakes, Lifetime lifetime, TimeProvider time, ILogger logger)
{
    /// <summary>So many deferrals of one trigger are pending at most.</summary>
    private const int MostPending = 1000;

    // By the first digit of what a deferral stands for. Firings of one node that look at the same time would each see none pending.
    private readonly SemaphoreSlim[] _storing = [.. Enumerable.Range(0, 16).Select(_ => new SemaphoreSlim(1))];

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
            stored = await StoreBoundedAsync(firing, execution, defer).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            defer.NotStored();
            if (lifetime.IsStopping(scheduler))
            {
                Log.GivenUpByShutdown(logger, firing.Context.JobDetail.Key, execution.Execution, execution.Name);
            }

            throw new JobExecutionException($"The deferral could not be stored ({e.Message}): {defer.Reason}", e);
        }

        if (stored.IsCoalesced)
        {
            defer.NotStored();
            return Reports.Coalesced(execution, defer);
        }

        defer.Stored(() => wakes.WakeAsync(scheduler, stored.Key, stored.Due));
        return Reports.Deferred(execution, defer);
    }

    private async ValueTask<Stored> StoreBoundedAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        if (SharedWork(firing, execution) is not { } work)
        {
            return await StoreAsync(firing, defer, KeyOf(firing), TriggerConflict.Throw).ConfigureAwait(false);
        }

        SemaphoreSlim storing = _storing[Convert.ToInt32(work[..1], 16)];
        await storing.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            return firing.IgnoresMisfires
                ? await StoreOneOfManyAsync(work, firing, execution, defer).ConfigureAwait(false)
                : await StoreOneAsync(work, firing, execution, defer).ConfigureAwait(false);
        }
        finally
        {
            storing.Release();
        }
    }

    /// <summary>
    /// What a deferral of the firing has in common with others, of which only so many may be pending; null where nothing else
    /// stands for its work.
    /// </summary>
    private static string? SharedWork(Firing firing, LockExecution execution) => firing switch
    {
        { Origin: ExecutionOrigin.Recurring } => Hash($"{Trigger(firing)}@{execution.Occurrence?.ScheduledTime:O} {execution.Name}"),
        { Origin: ExecutionOrigin.OneOff, IsByHand: true } => Hash($"by hand {Job(firing)} {execution.Name}"),
        { Origin: ExecutionOrigin.OneOff, IgnoresMisfires: true } => Hash($"each of {Trigger(firing)} {execution.Name}"),
        _ => null,
    };

    /// <summary>
    /// A first attempt of a recurring trigger, or a run by hand: all of them that want the same lock stand for the same work, so
    /// one deferral that is pending is enough, and keeps its place in the queue; under OncePerOccurrence, one for each occurrence.
    /// Two firings at once on two nodes may both look before the other has stored: then two are pending, and none is lost.
    /// </summary>
    private async ValueTask<Stored> StoreOneAsync(string work, Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        PagedResult<TriggerHeader> found = await firing.Context.Scheduler.QueryTriggers(Deferrals(work, firing), CancellationToken.None)
            .ConfigureAwait(false);

        // Without a time to fire it has begun to, or has failed to; with attempts behind it, it is the retry of a run.
        TriggerHeader[] first = [.. found.Items.Where(t => t.RetryAttempt == 0 && (t.NextFireTimeUtc is not null || t.State == TriggerState.Error))];
        if (Array.Find(first, t => t.State is not (TriggerState.Paused or TriggerState.Error)) is { NextFireTimeUtc: { } due } pending)
        {
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, due);
            return Stored.Coalesced;
        }

        // It would swallow all that come after it, until somebody looks.
        if (first is [var stuck, ..])
        {
            Log.StuckDeferral(logger, stuck.Key, firing.Trigger, stuck.State, firing.Context.JobDetail.Key, execution.Execution);
            return await StoreAsync(firing, defer, stuck.Key, TriggerConflict.Replace).ConfigureAwait(false);
        }

        return await StoreAsync(firing, defer, DeferralTrigger.NewKey(work), TriggerConflict.Throw).ConfigureAwait(false);
    }

    /// <summary>A firing of a trigger that wants each of them has a deferral of its own, until so many are pending that the store is to be spared.</summary>
    private async ValueTask<Stored> StoreOneOfManyAsync(string work, Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        TriggerQuery count = Deferrals(work, firing) with { Take = 0, IncludeTotalCount = true };
        PagedResult<TriggerHeader> found =
            await firing.Context.Scheduler.QueryTriggers(count, CancellationToken.None).ConfigureAwait(false);
        if (found.TotalCount >= MostPending)
        {
            Log.TooManyPending(logger, firing.Context.JobDetail.Key, execution.Execution, MostPending, firing.Trigger);
            return Stored.Coalesced;
        }

        return await StoreAsync(firing, defer, DeferralTrigger.NewKey(work), TriggerConflict.Throw).ConfigureAwait(false);
    }

    private static TriggerQuery Deferrals(string work, Firing firing) => new()
    {
        Group = GroupMatcher<TriggerKey>.GroupEquals(Deferral.Group),
        Name = NameMatcher<TriggerKey>.NameStartsWith(DeferralTrigger.Prefix(work)),
        Job = firing.Context.JobDetail.Key,
        Take = PagedQuery.All,
    };

    /// <summary>The key of a deferral that is one of its kind. One that came back too early goes on standing for what it stood for.</summary>
    private static TriggerKey KeyOf(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        return firing.Wait is not null
            ? DeferralTrigger.NewKeyAfter(context.Trigger.Key)
            : DeferralTrigger.NewKey(Hash($"{Trigger(firing)}@{firing.ScheduledTime:O}#{firing.Attempts} {context.FireInstanceId}"));
    }

    private async ValueTask<Stored> StoreAsync(Firing firing, LockDecision.Defer defer, TriggerKey key, TriggerConflict onConflict)
    {
        Deferral deferral = new(
            firing.Trigger,
            firing.ScheduledTime,
            firing.Attempts,
            defer.State)
        {
            RetryAttempt = firing.RetryAttempt,
            Recovering = firing.Recovering,
            CancelsPrevious = firing.CancelsPrevious,
            PreviousTime = firing.PreviousTime?.ToUniversalTime(),
            NextTime = firing.NextTime?.ToUniversalTime(),
        };
        IJobExecutionContext context = firing.Context;
        ITrigger trigger = DeferralTrigger.Create(context.Trigger, key, context.JobDetail.Key, RemainingRetries.Of(context), deferral, time.GetUtcNow() + defer.Delay);
        ScheduleTriggerResult result = await context.Scheduler.ScheduleTrigger(trigger, onConflict, CancellationToken.None).ConfigureAwait(false);
        return new Stored(key, result.NextFireTimeUtc);
    }

    private static string Job(Firing firing) => $"{firing.Context.JobDetail.Key.Group.Length}:{firing.Context.JobDetail.Key}";

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

    /// <summary>The deferral that was stored.</summary>
    private readonly record struct Stored(TriggerKey Key, DateTimeOffset Due)
    {
        /// <summary>None was stored, since another that is pending does the work.</summary>
        public static Stored Coalesced => default;

        public bool IsCoalesced => Key is null;
    }
}
