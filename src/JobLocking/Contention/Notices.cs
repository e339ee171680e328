using System.Threading.Channels;
using JobLocking.Renewal;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Contention;

/// <summary>
/// Hears what concerns this process, from its first need on: the start of the host, or, where there is none, the first
/// execution that is to be parked. A subscription can be lost without anybody being told: who is deaf is passed over by every
/// release, and starves under a steady load. So it listens anew when turns are missed.
/// </summary>
internal sealed class Notices : IDisposable
{
    private static readonly TimeSpan ListenAgainAfter = TimeSpan.FromSeconds(1);

    private readonly ILockStore _store;
    private readonly RenewalLoop _renewal;
    private readonly LocalQueue _queue;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<bool> _missed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _gate = new();
    private volatile Task? _listening;
    private volatile bool _hasHeard;

    public Notices(ILockStore store, RenewalLoop renewal, LocalQueue queue, TimeProvider time, ILogger logger)
    {
        (_store, _renewal, _queue, _time, _logger) = (store, renewal, queue, time, logger);
        queue.TurnMissed += () => _missed.Writer.TryWrite(true);
    }

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
        _hasHeard |= notice is not LockNotice.Reconnected;
        switch (notice)
        {
            case LockNotice.Broken broken:
                _renewal.Break(broken.LeaseId);
                break;
            case LockNotice.Turn turn:
                _queue.OnTurn(turn);
                break;
            case LockNotice.Reconnected:
                _renewal.RenewAllNow();
                _queue.LookAtAllNow();
                break;
        }
    }

    private async Task ListenAsync()
    {
        IAsyncDisposable? listening = null;
        try
        {
            listening = await UntilItAnswersAsync(() => _store.ListenAsync(OnNotice, _ended.Token)).ConfigureAwait(false);
            if (await UntilItAnswersAsync(() => _store.CheckAsync(_ended.Token)).ConfigureAwait(false) is { } warning)
            {
                Log.StoreWarning(_logger, warning);
            }

            for (; ; )
            {
                await UntilDeafAsync().ConfigureAwait(false);
                Log.ListensAnew(_logger);
                await listening.DisposeAsync().ConfigureAwait(false);
                listening = null;
                listening = await UntilItAnswersAsync(() => _store.ListenAsync(OnNotice, _ended.Token)).ConfigureAwait(false);
                _queue.LookAtAllNow();
            }
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

    /// <summary>Until a turn is missed and nothing at all is heard for a while after: a notice may be slower than a look.</summary>
    private async Task UntilDeafAsync()
    {
        _missed.Reader.TryRead(out _);
        do
        {
            await _missed.Reader.ReadAsync(_ended.Token).ConfigureAwait(false);
            _hasHeard = false;
            await Task.Delay(ListenAgainAfter, _time, _ended.Token).ConfigureAwait(false);
        }
        while (_hasHeard);
    }

    private async Task<T> UntilItAnswersAsync<T>(Func<ValueTask<T>> ask)
    {
        for (bool said = false; ; said = true)
        {
            try
            {
                return await ask().ConfigureAwait(false);
            }
            catch (LockStoreException e)
            {
                if (!said)
                {
                    Log.ListenFailed(_logger, e);
                }
            }

            await Task.Delay(ListenAgainAfter, _time, _ended.Token).ConfigureAwait(false);
        }
    }
}
