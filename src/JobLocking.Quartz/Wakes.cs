using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Has the deferrals of one scheduler fire before their time. Quartz can replace a trigger, but not on the condition that it
/// has not fired: one that fires just then is replaced while its firing is on the way to the job, and the work would run
/// twice. So a wake says what it is about before it looks, and a firing asks, before it does anything, whether it was
/// replaced: then the one that took its place does the work. A firing that asks too soon to be told has been fired before
/// the wake looks, and the wake lets it be.
/// <para>
/// That is certain within one process. In a cluster another node may fire the deferral between the look and the replacing, or
/// for as long as the replacing waits for the store's lock: then both firings ask for the lock, and the store turns away the
/// one that comes second (<see cref="JobLocking.Engine.LockExecution.MayHaveCopies"/>). If the first fails, its retry is kept
/// by <see cref="ReplacedRetries"/>.
/// </para>
/// </summary>
internal sealed class Wakes(Lifetime lifetime)
{
    /// <summary>So many deferrals that were replaced are remembered. Only a firing that is on its way from the trigger to the job asks for one, so the last few would do.</summary>
    private const int Remembered = 1000;

    private readonly ConcurrentDictionary<TriggerKey, TaskCompletionSource<bool>> _wakes = [];
    private readonly ConcurrentQueue<TriggerKey> _replaced = [];

    /// <summary>Whether a wake has replaced the trigger that fires, so that the firing must do nothing.</summary>
    public ValueTask<bool> HasReplacedAsync(TriggerKey deferral) => _wakes.TryGetValue(deferral, out TaskCompletionSource<bool>? wake) ? new(wake.Task) : default;

    /// <summary>Has a deferral fire now, in the place it has in the queue.</summary>
    /// <param name="scheduler">The scheduler that keeps it.</param>
    /// <param name="deferral">Its key.</param>
    /// <param name="due">When it was to fire.</param>
    /// <returns>False if it is not as it was stored any more: fired, removed, paused, moved; or cannot fire now.</returns>
    public async ValueTask<bool> WakeAsync(IScheduler scheduler, TriggerKey deferral, DateTimeOffset due)
    {
        TaskCompletionSource<bool> wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (scheduler.Status != SchedulerStatus.Running || lifetime.IsStopping(scheduler) || !_wakes.TryAdd(deferral, wake))
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

    private static async ValueTask<bool> ReplaceAsync(IScheduler scheduler, TriggerKey key, DateTimeOffset due)
    {
        // One that has fired waits for nothing, or for the retry of its run.
        if (await scheduler.GetTrigger(key, CancellationToken.None).ConfigureAwait(false) is not { RetryAttempt: 0 } trigger
            || trigger.NextFireTimeUtc != due
            || Deferral.ReadFrom(trigger.JobDataMap) is not { } deferral)
        {
            return false;
        }

        // Blocked while a job that must not run beside itself ends: often the holder whose release this is.
        TriggerState state = await scheduler.GetTriggerState(key, CancellationToken.None).ConfigureAwait(false);
        if (state is not (TriggerState.Normal or TriggerState.Blocked))
        {
            return false;
        }

        ITrigger woken = DeferralTrigger.Create(
            trigger, DeferralTrigger.NewKeyAfter(key), trigger.JobKey, trigger.RetryPolicy, deferral with { State = deferral.State?.Woken() }, scheduler.TimeProvider.GetUtcNow());
        return await scheduler.RescheduleJob(key, woken, CancellationToken.None).ConfigureAwait(false) is not null;
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
