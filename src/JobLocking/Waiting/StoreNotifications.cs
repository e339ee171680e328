using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// Hears what concerns this process, from its first need on: the start of the host, or, where there is none, the first
/// question for a lock, which may be granted and broken, or be refused and given a place by a later look.
/// </summary>
internal sealed class StoreNotifications(ILockStore store, StoreGate gate, RenewalLoop renewal, LocalWaiters queue, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _gate = new();
    private volatile Task? _listening;

    /// <summary>Begins to listen, in the background: a store that is out of reach must not keep anybody waiting.</summary>
    public void Begin()
    {
        if (_listening is not null)
        {
            return;
        }

        lock (_gate)
        {
            // Else it would go on for ever in the context of a job: with its ambient lease, in its trace.
            using (ExecutionContext.SuppressFlow())
            {
                _listening ??= Task.Run(SubscribeAsync);
            }
        }
    }

    public async Task EndAsync()
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        await (_listening ?? Task.CompletedTask).ConfigureAwait(false);
    }

    public void Dispose() => _ended.Cancel();

    private void OnNotification(LockNotification notice)
    {
        switch (notice)
        {
            case LockNotification.Broken broken:
                renewal.Break(broken.LeaseId);
                break;
            case LockNotification.WakeUp turn:
                queue.OnWakeUp(turn);
                break;
            case LockNotification.Reconnected { ReplacedBecause: var reason }:
                if (reason is not null)
                {
                    Log.ConnectionReplaced(logger, reason);
                }

                renewal.RenewAllNow();
                queue.PollAllNow();
                gate.Reconnected();
                break;
            case LockNotification.SubscriptionLost deaf:
                Log.SubscriptionLost(logger, deaf.Error);
                break;
        }
    }

    private async Task SubscribeAsync()
    {
        IAsyncDisposable? listening = null;
        try
        {
            bool isChecked = false;
            for (bool isFirst = true; listening is null || !isChecked; isFirst = false)
            {
                if (!isFirst)
                {
                    await Task.Delay(TryAgainAfter, time, _ended.Token).ConfigureAwait(false);
                }

                if (listening is null)
                {
                    // A store that refuses notifications is checked all the same, and once more when it accepts them.
                    listening = await TryAsync(BeginToListenAsync, isFirst ? Log.SubscribeFailed : null).ConfigureAwait(false);
                    isChecked &= listening is null;
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
            if (listening is not null)
            {
                await listening.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async Task<IAsyncDisposable> BeginToListenAsync()
    {
        IAsyncDisposable listening = await store.SubscribeAsync(OnNotification, _ended.Token).ConfigureAwait(false);

        // What was said before is lost, as it is while a connection is gone.
        OnNotification(new LockNotification.Reconnected());
        return listening;
    }

    private async Task<bool> CheckAsync()
    {
        if (await store.CheckAsync(_ended.Token).ConfigureAwait(false) is { } warning)
        {
            Log.StoreWarning(logger, warning);
        }

        return true;
    }

    /// <returns>The default if it failed, which is said only if <paramref name="say"/> is given.</returns>
    private async Task<T?> TryAsync<T>(Func<Task<T>> ask, Action<ILogger, Exception>? say)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception e) when (e is LockStoreException || !_ended.IsCancellationRequested)
        {
            // Also a fault of the store that its author has not thought of: otherwise this process would hear nothing, without a word.
            say?.Invoke(logger, e);
            return default;
        }
    }
}
