using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Makes deferrals of one scheduler fire before their time. Quartz can replace a trigger, but not on the condition that it has not fired.
/// If it fires just then, its firing is already on the way to the job, and the work would run twice. So a wake-up is announced here
/// before it reads the trigger, and a firing checks first whether a wake-up replaces it: if so, the new trigger does the work. If the
/// firing checks before the announcement, the trigger has fired before the wake-up reads it, and the wake-up leaves it alone.
/// <para>
/// That is certain within one process. In a cluster, another node may fire the deferral between the reading and the replacing, or while
/// the replacing waits for the lock of the job store. Then both firings ask for the lock, and the second one is a copy that does not run
/// (<see cref="JobLocking.Engine.LockExecution.MayHaveCopies"/>). If the first fails, its retry is kept
/// by <see cref="RetryOfReplacedDeferral"/>.
/// </para>
/// </summary>
internal sealed class WakeUp(Continuations? continuations, SchedulerShutdown shutdown)
{
    /// <summary>
    /// How many replaced deferrals are remembered. Only a firing on its way from the trigger to the job asks, so a few would be enough.
    /// </summary>
    private const int Remembered = 1000;

    private readonly ConcurrentDictionary<TriggerKey, TaskCompletionSource<bool>> _wakes = [];
    private readonly ConcurrentQueue<TriggerKey> _replaced = [];

    /// <summary>Whether a wake-up has replaced the trigger that fires, so that the firing must do nothing.</summary>
    public ValueTask<bool> HasReplacedAsync(TriggerKey deferral) =>
        _wakes.TryGetValue(deferral, out TaskCompletionSource<bool>? wake) ? new(wake.Task) : default;

    /// <summary>Makes a deferral fire now. It keeps its position in the waiting queue.</summary>
    /// <param name="scheduler">The scheduler that keeps it.</param>
    /// <param name="deferral">Its key.</param>
    /// <param name="due">When it was to fire.</param>
    /// <returns>False if the deferral has changed since it was stored (fired, removed, paused, moved), or cannot fire now.</returns>
    public async ValueTask<bool> WakeAsync(IScheduler scheduler, TriggerKey deferral, DateTimeOffset due)
    {
        TaskCompletionSource<bool> wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (scheduler.Status != SchedulerStatus.Running || shutdown.IsStopping(scheduler) || !_wakes.TryAdd(deferral, wake))
        {
            return false;
        }

        bool replaced = false;
        try
        {
            replaced = await ReplaceAsync(scheduler, deferral, due).ConfigureAwait(false);
        }
        finally
        {
            Remember(deferral, replaced);
            wake.SetResult(replaced);
        }

        return replaced;
    }

    private async ValueTask<bool> ReplaceAsync(IScheduler scheduler, TriggerKey key, DateTimeOffset due)
    {
        // A trigger that has fired is either over, or waits for the retry of its run.
        if (await scheduler.GetTrigger(key, CancellationToken.None).ConfigureAwait(false) is not { RetryAttempt: 0 } trigger
            || trigger.NextFireTimeUtc != due
            || StoredDeferral.ReadFrom(trigger.JobDataMap) is not { } deferral)
        {
            return false;
        }

        // Blocked while a job that must not run concurrently ends: often the holder whose release this is.
        TriggerState state = await scheduler.GetTriggerState(key, CancellationToken.None).ConfigureAwait(false);
        if (state is not (TriggerState.Normal or TriggerState.Blocked))
        {
            return false;
        }

        ITrigger woken = DeferralTrigger.Create(
            trigger,
            DeferralTrigger.NewKeyAfter(key),
            trigger.JobKey,
            trigger.RetryPolicy,
            deferral with { State = deferral.State?.Woken() },
            scheduler.TimeProvider.GetUtcNow(),
            scheduler.TimeProvider);
        return continuations is null
            ? await scheduler.RescheduleJob(key, woken, CancellationToken.None).ConfigureAwait(false) is not null
            : await ReplaceWithContinuationsAsync(continuations, scheduler, key, woken).ConfigureAwait(false);
    }

    private async ValueTask<bool> ReplaceWithContinuationsAsync(
        Continuations continuations, IScheduler scheduler, TriggerKey key, ITrigger woken)
    {
        // The new trigger fires at once. Its firing waits here, or it could end before its continuations wait for it.
        TaskCompletionSource<bool> moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _wakes.TryAdd(woken.Key, moved);
        try
        {
            if (await scheduler.RescheduleJob(key, woken, CancellationToken.None).ConfigureAwait(false) is null)
            {
                return false;
            }

            await continuations.MoveAsync(scheduler, key, woken.Key).ConfigureAwait(false);
            return true;
        }
        finally
        {
            _wakes.TryRemove(woken.Key, out _);
            moved.SetResult(false);
        }
    }

    private void Remember(TriggerKey deferral, bool replaced)
    {
        if (!replaced)
        {
            _wakes.TryRemove(deferral, out _);
            return;
        }

        _replaced.Enqueue(deferral);
        if (_replaced.Count > Remembered && _replaced.TryDequeue(out TriggerKey? oldest))
        {
            _wakes.TryRemove(oldest, out _);
        }
    }
}
