using JobLocking.Contention;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Renewal;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hosting;

/// <summary>
/// Stops the host at start if a lock is declared wrongly, listens to the store from then on, and waits at the very end for
/// what is still being released. It does not stop renewal: jobs may outlive the host's patience.
/// </summary>
internal sealed class JobLockingHostedService(IServiceProvider services, TimeProvider time, ILogger logger) : IHostedLifecycleService, IDisposable
{
    private static readonly TimeSpan ListenAgainAfter = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopped = new();
    private Task _listening = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        ILockStore store = OnlyStore.Of(services);
        IReadOnlyList<string> problems = services.GetRequiredService<LockPolicies>().Problems();
        if (problems.Count > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems.Distinct()));
        }

        // In the background: a store that is out of reach must not keep the host from starting.
        _listening = ListenAsync(store);
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        foreach (LockOverride unmatched in services.GetRequiredService<LockPolicies>().UnmatchedOverrides)
        {
            Log.UnmatchedOverride(logger, unmatched.Path, unmatched.Template);
        }

        return Task.CompletedTask;
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await _stopped.CancelAsync().ConfigureAwait(false);
        await _listening.ConfigureAwait(false);
        services.GetRequiredService<LocalQueue>().Stop();
        await services.GetRequiredService<BackgroundWork>().DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => _stopped.Dispose();

    private async Task ListenAsync(ILockStore store)
    {
        await Task.Yield();
        RenewalLoop renewal = services.GetRequiredService<RenewalLoop>();
        LocalQueue queue = services.GetRequiredService<LocalQueue>();
        IAsyncDisposable? listening = null;
        try
        {
            listening = await UntilItAnswersAsync(() => store.ListenAsync(notice => OnNotice(notice, renewal, queue), _stopped.Token)).ConfigureAwait(false);
            if (await UntilItAnswersAsync(() => store.CheckAsync(_stopped.Token)).ConfigureAwait(false) is { } warning)
            {
                Log.StoreWarning(logger, warning);
            }

            await Task.Delay(Timeout.InfiniteTimeSpan, time, _stopped.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
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

    internal static void OnNotice(LockNotice notice, RenewalLoop renewal, LocalQueue queue)
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
            catch (LockStoreException e)
            {
                if (!said)
                {
                    Log.ListenFailed(logger, e);
                }
            }

            await Task.Delay(ListenAgainAfter, time, _stopped.Token).ConfigureAwait(false);
        }
    }
}
