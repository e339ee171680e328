using JobLocking.Renewal;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Contention;

/// <summary>
/// Hears what concerns this process, from its first need on: the start of the host, or, where there is none, the first
/// question for a lock, which may be granted and broken, or be refused and given a place by a later look.
/// </summary>
internal sealed class Notices(ILockStore store, RenewalLoop renewal, LocalQueue queue, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan ListenAgainAfter = TimeSpan.FromSeconds(1);

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
                _listening ??= Task.Run(ListenAsync);
            }
        }
    }

    public async Task EndAsync()
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        await (_listening ?? Task.CompletedTask).ConfigureAwait(false);
    }

    public void Dispose() => _ended.Cancel();

    private void OnNotice(LockNotice notice)
    {
        switch (notice)
        {
            case LockNotice.Broken broken:
                renewal.Break(broken.LeaseId);
                break;
            case LockNotice.Turn turn:
                queue.OnTurn(turn);
                break;
            case LockNotice.Reconnected:
                renewal.RenewAllNow();
                queue.LookAtAllNow();
                break;
            case LockNotice.NotListening deaf:
                Log.ListenFailed(logger, deaf.Error);
                break;
        }
    }

    private async Task ListenAsync()
    {
        IAsyncDisposable? listening = null;
        try
        {
            listening = await UntilItAnswersAsync(() => store.ListenAsync(OnNotice, _ended.Token)).ConfigureAwait(false);

            // What was said before is lost, as it is while a connection is gone.
            OnNotice(new LockNotice.Reconnected());
            if (await UntilItAnswersAsync(() => store.CheckAsync(_ended.Token)).ConfigureAwait(false) is { } warning)
            {
                Log.StoreWarning(logger, warning);
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

    private async Task<T> UntilItAnswersAsync<T>(Func<ValueTask<T>> ask)
    {
        for (bool said = false; ; said = true)
        {
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (Exception e) when (e is LockStoreException || !_ended.IsCancellationRequested)
            {
                // A fault of the store's that nobody has thought of, too: nobody else would notice a process that hears nothing.
                if (!said)
                {
                    Log.ListenFailed(logger, e);
                }
            }

            await Task.Delay(ListenAgainAfter, time, _ended.Token).ConfigureAwait(false);
        }
    }
}
