using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// Receives the notifications of the store for this process: from the start of the host on or, without a host, from the first acquire on,
/// since that lease may be broken, or its execution may wait.
/// </summary>
internal sealed class StoreNotifications(
    ILockStore store, StoreGate gate, HeldLeases held, RenewalLoop renewal, LocalWaiters waiters, TimeProvider time, ILogger logger)
    : IDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _gate = new();
    private volatile Task? _subscription;

    /// <summary>Subscribes in the background: a store that is out of reach must delay no caller.</summary>
    public void Begin()
    {
        if (_subscription is not null)
        {
            return;
        }

        lock (_gate)
        {
            // Otherwise it would run in the context of a job: with its ambient lease, in its trace.
            using (ExecutionContext.SuppressFlow())
            {
                _subscription ??= Task.Run(SubscribeAsync);
            }
        }
    }

    public async Task EndAsync()
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        await (_subscription ?? Task.CompletedTask).ConfigureAwait(false);
    }

    public void Dispose() => _ended.Cancel();

    private void OnNotification(LockNotification notification)
    {
        switch (notification)
        {
            case LockNotification.Broken broken:
                held.Break(broken.LeaseId);
                break;
            case LockNotification.WakeUp wakeUp:
                waiters.OnWakeUp(wakeUp);
                break;
            case LockNotification.Reconnected { ReplacedBecause: var reason }:
                if (reason is not null)
                {
                    Log.ConnectionReplaced(logger, reason);
                }

                renewal.RenewAllNow();
                waiters.PollAllNow();
                gate.Reconnected();
                break;
            case LockNotification.SubscriptionLost lost:
                Log.SubscriptionLost(logger, lost.Error);
                break;
        }
    }

    private async Task SubscribeAsync()
    {
        IAsyncDisposable? subscription = null;
        try
        {
            bool isChecked = false;
            for (bool isFirst = true; subscription is null || !isChecked; isFirst = false)
            {
                if (!isFirst)
                {
                    await Task.Delay(WaitingTimes.SubscribeInterval, time, _ended.Token).ConfigureAwait(false);
                }

                if (subscription is null)
                {
                    // A store that refuses subscriptions is checked all the same, and once more when it accepts them.
                    subscription = await TryAsync(TrySubscribeAsync, isFirst ? Log.SubscribeFailed : null).ConfigureAwait(false);
                    isChecked &= subscription is null;
                }

                isChecked = isChecked || await TryAsync(CheckAsync, isFirst ? Log.StoreCheckFailed : null).ConfigureAwait(false);
            }

            await Task.Delay(Timeout.InfiniteTimeSpan, time, _ended.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
        }
        finally
        {
            if (subscription is not null)
            {
                await subscription.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<IAsyncDisposable> TrySubscribeAsync()
    {
        IAsyncDisposable subscription = await store.SubscribeAsync(OnNotification, _ended.Token).ConfigureAwait(false);

        // Earlier notifications are lost, as they are while a connection is gone.
        OnNotification(new LockNotification.Reconnected());
        return subscription;
    }

    private async Task<bool> CheckAsync()
    {
        if (await store.CheckAsync(_ended.Token).ConfigureAwait(false) is { } warning)
        {
            Log.StoreWarning(logger, warning);
        }

        return true;
    }

    /// <returns>The default if it failed, which is logged only with <paramref name="log"/>.</returns>
    private async Task<T?> TryAsync<T>(Func<Task<T>> ask, Action<ILogger, Exception>? log)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is LockStoreException || !_ended.IsCancellationRequested)
        {
            // Any other exception of the store as well: otherwise this process would have no subscription, and the log would not say so.
            log?.Invoke(logger, e);
            return default;
        }
    }
}
