using System.Security.Cryptography;
using System.Text;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Stores the deferrals of one scheduler as triggers that fire once, and limits how many are pending.</summary>
internal sealed class PendingDeferrals(WakeUp wakeUp, SchedulerShutdown shutdown, TimeProvider time, ILogger logger)
{
    /// <summary>The largest number of pending deferrals of one trigger.</summary>
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
            await CheckOutlivesAsync(scheduler).ConfigureAwait(false);

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

        if (stored.IsCoalesced)
        {
            defer.NotStored();
            return JobDecision.Coalesced(execution, defer);
        }

        defer.Stored(() => wakeUp.WakeAsync(scheduler, stored.Key, stored.Due));
        return JobDecision.Deferred(execution, defer);
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
    /// The work that this deferral would share with others, of which only a limited number may be pending; null if no other deferral
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
    /// First attempts of a recurring trigger, or runs by hand, that want the same lock stand for the same work: one pending deferral is
    /// enough, and keeps its position in the waiting queue; under OncePerOccurrence, one for each occurrence. Two firings at once on two
    /// nodes may each check before the other has stored: then two are pending, and none is lost.
    /// </summary>
    private async ValueTask<Stored> StoreOneAsync(string work, Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        PagedResult<TriggerHeader> found = await firing.Context.Scheduler.QueryTriggers(Deferrals(work, firing), CancellationToken.None)
            .ConfigureAwait(false);

        // One without a fire time has begun to fire, or has failed to. One with attempts is the retry of a run.
        TriggerHeader[] first =
            [.. found.Items.Where(t => t.RetryAttempt == 0 && (t.NextFireTimeUtc is not null || t.State == TriggerState.Error))];
        if (Array.Find(first, t => t.State is not (TriggerState.Paused or TriggerState.Error)) is { NextFireTimeUtc: { } due } pending)
        {
            Log.Coalesced(logger, firing.Context.JobDetail.Key, execution.Execution, firing.Trigger, due);
            return Stored.Coalesced;
        }

        // All later firings would coalesce with it, until an operator repairs it.
        if (first is [var stuck, ..])
        {
            Log.StuckDeferral(logger, stuck.Key, firing.Trigger, stuck.State, firing.Context.JobDetail.Key, execution.Execution);
            return await StoreAsync(firing, defer, stuck.Key, TriggerConflict.Replace).ConfigureAwait(false);
        }

        return await StoreAsync(firing, defer, DeferralTrigger.NewKey(work), TriggerConflict.Throw).ConfigureAwait(false);
    }

    /// <summary>The trigger wants each of its firings, so each has a deferral of its own, up to <see cref="MostPending"/>.</summary>
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
        Group = GroupMatcher<TriggerKey>.GroupEquals(StoredDeferral.Group),
        Name = NameMatcher<TriggerKey>.NameStartsWith(DeferralTrigger.Prefix(work)),
        Job = firing.Context.JobDetail.Key,
        Take = PagedQuery.All,
    };

    /// <summary>
    /// The key of a deferral that shares its work with no other. If a deferral came back too early, the next one stands for the same work.
    /// </summary>
    private static TriggerKey KeyOf(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        return firing.Wait is not null
            ? DeferralTrigger.NewKeyAfter(context.Trigger.Key)
            : DeferralTrigger.NewKey(Hash($"{Trigger(firing)}@{firing.ScheduledTime:O}#{firing.Attempts} {context.FireInstanceId}"));
    }

    private async ValueTask<Stored> StoreAsync(Firing firing, LockDecision.Defer defer, TriggerKey key, TriggerConflict onConflict)
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
        };
        IJobExecutionContext context = firing.Context;
        ITrigger trigger = DeferralTrigger.Create(
            context.Trigger, key, context.JobDetail.Key, RemainingRetries.Of(context), deferral, time.GetUtcNow() + defer.Delay);
        ScheduleTriggerResult result =
            await context.Scheduler.ScheduleTrigger(trigger, onConflict, CancellationToken.None).ConfigureAwait(false);
        return new Stored(key, result.NextFireTimeUtc);
    }

    private static string Job(Firing firing) => $"{firing.Context.JobDetail.Key.Group.Length}:{firing.Context.JobDetail.Key}";

    private static string Trigger(Firing firing) => $"{firing.Trigger.Group.Length}:{firing.Trigger}";

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));

    /// <summary>
    /// Warns of deferrals that are kept in memory. During a shutdown such a deferral would be lost, so it must not be reported as stored.
    /// </summary>
    private async ValueTask CheckOutlivesAsync(IScheduler scheduler)
    {
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        if (store.JobStorePersistent)
        {
            return;
        }

        if (shutdown.IsStopping(scheduler))
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
