using JobLocking.Engine;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Stores the deferrals of one scheduler as triggers that fire once, and limits how many are pending.</summary>
internal sealed class PendingDeferrals(
    WakeUp wakeUp, Continuations? continuations, SchedulerShutdown shutdown, ILogger logger)
{
    /// <summary>The largest number of pending deferrals of a trigger that has one for each of its occurrences.</summary>
    private const int MostPending = 1000;

    // By the first digit of the work. Without it, firings of one node that check at the same time would each see no pending deferral.
    private readonly SemaphoreSlim[] _storing = [.. Enumerable.Range(0, 16).Select(_ => new SemaphoreSlim(1))];

    private int _saidInMemory;

    /// <summary>Schedules the firing for later, unless a pending deferral stands for it.</summary>
    /// <returns>The report of the firing.</returns>
    /// <exception cref="JobExecutionException">The deferral cannot be stored: the firing fails, since its work would be lost.</exception>
    public async ValueTask<JobRunReport> StoreAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        Stored stored;
        try
        {
            if (!await OutlivesAsync(scheduler, defer.StandsBy).ConfigureAwait(false))
            {
                if (defer.StandsBy)
                {
                    defer.NotStored();
                    Log.StandbyEnds(logger, firing.Context.JobDetail.Key, execution.Execution, execution.Name, defer.Reason);
                    return JobDecision.StandbyEnds(execution, defer);
                }

                throw new SchedulerException("the scheduler stops, and keeps its triggers in memory");
            }

            // Inside the firing: once it has ended, Quartz deletes a job that is not durable and has no trigger left.
            stored = await StoreBoundedAsync(firing, execution, defer).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            defer.NotStored();
            if (shutdown.IsStopping(scheduler))
            {
                Log.GivenUpByShutdown(logger, firing.Context.JobDetail.Key, execution.Execution, execution.Name);
            }

            throw new JobExecutionException($"The deferral could not be stored ({e.Message}): {defer.Reason}", e);
        }

        // Before a wake-up can make the deferral fire.
        if (continuations is not null && stored.Key is { } deferral)
        {
            await continuations.MoveAsync(scheduler, firing.Context.Trigger.Key, deferral).ConfigureAwait(false);
        }

        if (stored.IsCoalesced)
        {
            defer.NotStored();
            return JobDecision.Coalesced(execution, defer);
        }

        defer.Stored(() => wakeUp.WakeAsync(scheduler, stored.Key!, stored.Due));
        return defer.StandsBy ? JobDecision.StandsBy(execution, defer) : JobDecision.Deferred(execution, defer);
    }

    private async ValueTask<Stored> StoreBoundedAsync(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        if (DeferredWork.Of(firing, execution, defer) is not { } work)
        {
            return await StoreAsync(firing, defer, KeyOf(firing), TriggerConflict.Throw).ConfigureAwait(false);
        }

        SemaphoreSlim storing = _storing[Convert.ToInt32(work.Hash[..1], 16)];
        await storing.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            return await StoreOneAsync(work, firing, execution, defer).ConfigureAwait(false);
        }
        finally
        {
            storing.Release();
        }
    }

    /// <summary>
    /// Firings that stand for the same work need one pending deferral, which keeps its position in the waiting queue. Two firings at once
    /// on two nodes may each check before the other has stored: then two are pending, and none is lost.
    /// </summary>
    private async ValueTask<Stored> StoreOneAsync(DeferredWork work, Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        IReadOnlyList<TriggerHeader> pending = await QueryAsync(work.Prefix, firing).ConfigureAwait(false);
        IEnumerable<TriggerHeader> same = pending.Where(t => t.Key.Name.StartsWith(work.PrefixOfSame, StringComparison.Ordinal));

        // One without a fire time has begun to fire, or has failed to. One with attempts is the retry of a run, and so is one that has
        // fired before: its retry has misfired.
        TriggerHeader[] first =
        [
            .. same.Where(t => t.RetryAttempt == 0
                && (t.State == TriggerState.Error || t is { NextFireTimeUtc: not null, PreviousFireTimeUtc: null })),
        ];
        if (Array.Find(first, t => t.State is not (TriggerState.Paused or TriggerState.Error)) is { NextFireTimeUtc: { } due } found)
        {
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, due);
            return new Stored(found.Key, due, IsCoalesced: true);
        }

        // All later firings would coalesce with it, until an operator repairs it.
        if (first is [var stuck, ..])
        {
            Log.StuckDeferral(logger, stuck.Key, firing.Trigger, stuck.State, firing.Context.JobDetail.Key, execution.Execution);
            return await StoreAsync(firing, defer, stuck.Key, TriggerConflict.Replace, work.IsOfAll).ConfigureAwait(false);
        }

        TriggerKey key = DeferralTrigger.NewKey(work.PrefixOfSame);
        Stored stored = await StoreAsync(firing, defer, key, TriggerConflict.Throw, work.IsOfAll).ConfigureAwait(false);
        if (pending.Count >= MostPending)
        {
            await CoalesceOldestAsync(pending, firing).ConfigureAwait(false);
        }

        return stored;
    }

    /// <summary>The trigger has a pending deferral for each of its occurrences, and too many of them.</summary>
    private async ValueTask CoalesceOldestAsync(IReadOnlyList<TriggerHeader> pending, Firing firing)
    {
        TriggerKey oldest = pending.Select(t => t.Key).MinBy(key => key.Name, StringComparer.Ordinal)!;
        await firing.Context.Scheduler.UnscheduleJob(oldest, CancellationToken.None).ConfigureAwait(false);
        Log.TooManyPending(logger, firing.Context.JobDetail.Key, MostPending, firing.Trigger, oldest);
    }

    private static async ValueTask<IReadOnlyList<TriggerHeader>> QueryAsync(string prefix, Firing firing)
    {
        TriggerQuery pending = new()
        {
            Group = GroupMatcher<TriggerKey>.GroupEquals(StoredDeferral.Group),
            Name = NameMatcher<TriggerKey>.NameStartsWith(prefix),
            Job = firing.Context.JobDetail.Key,
            Take = PagedQuery.All,
        };
        return (await firing.Context.Scheduler.QueryTriggers(pending, CancellationToken.None).ConfigureAwait(false)).Items;
    }

    /// <summary>
    /// The key of a deferral that shares its work with no other. If a deferral came back too early, the next one stands for the same work.
    /// </summary>
    private static TriggerKey KeyOf(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        return firing.Wait is not null
            ? DeferralTrigger.NewKeyAfter(context.Trigger.Key)
            : DeferralTrigger.NewKey(DeferredWork.OfOne(firing));
    }

    private static async ValueTask<Stored> StoreAsync(
        Firing firing, LockDecision.Defer defer, TriggerKey key, TriggerConflict onConflict, bool isOfAll = false)
    {
        StoredDeferral deferral = new(
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
            Occurrence = firing.Occurrence,
            StandsForNewest = isOfAll || firing.Wait is { StandsForNewest: true },
        };
        IJobExecutionContext context = firing.Context;
        TimeProvider clock = context.Scheduler.TimeProvider;
        ITrigger trigger = DeferralTrigger.Create(
            context.Trigger,
            key,
            context.JobDetail.Key,
            RemainingRetries.Of(context),
            deferral,
            clock.GetUtcNow() + defer.Delay,
            clock);
        ScheduleTriggerResult result =
            await context.Scheduler.ScheduleTrigger(trigger, onConflict, CancellationToken.None).ConfigureAwait(false);
        return new Stored(key, result.NextFireTimeUtc);
    }

    /// <summary>
    /// Whether a deferral outlives the shutdown, if there is one: otherwise it would be lost, so it must not be reported as stored.
    /// Warns of deferrals that are kept in memory.
    /// </summary>
    private async ValueTask<bool> OutlivesAsync(IScheduler scheduler, bool standsBy)
    {
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        if (store.JobStorePersistent)
        {
            return true;
        }

        if (shutdown.IsStopping(scheduler))
        {
            return false;
        }

        // One that stands by is lost with the process without harm, while the run that it stands by for goes on.
        if (!standsBy && Interlocked.Exchange(ref _saidInMemory, 1) == 0)
        {
            Log.DeferredInMemory(logger, scheduler.SchedulerName);
        }

        return true;
    }

    /// <summary>The deferral that stands for a firing.</summary>
    /// <param name="Key">Its trigger; null if it is any of many.</param>
    /// <param name="Due">When it fires.</param>
    /// <param name="IsCoalesced">It was pending before, and none was stored.</param>
    private readonly record struct Stored(TriggerKey? Key, DateTimeOffset Due, bool IsCoalesced = false);
}
