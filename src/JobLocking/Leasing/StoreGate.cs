using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using JobLocking.Stores;
using Microsoft.Extensions.Logging;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>
/// Sends the requests for which a caller waits, and refuses them at once where waiting is pointless: when the connection has been gone
/// for a second, and while the server is silent, except for one probe at a time. Renewals bypass the gate because leases depend on them;
/// so does work in the background.
/// </summary>
internal sealed class StoreGate(ILockStore store, TimeProvider time, ILogger logger)
{
    private readonly ConcurrentDictionary<object, StoreServer> _servers = [];

    // All leases of a process may be renewed at once. While no server is in trouble, that must cost nothing here.
    private volatile bool _areInTrouble;

    /// <param name="request">The request.</param>
    /// <param name="workers">The workers of the scheduler that asks; null to wait as long as the store does.</param>
    /// <param name="isRetry">The same request was not answered a moment ago. It is sent again although the server is silent.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    public ValueTask<AcquireResult> AcquireAsync(
        AcquireRequest request, LockWorkers? workers, bool isRetry, CancellationToken cancellationToken) =>
        SendAsync(request.Name, request, static (store, r, token) => store.AcquireAsync(r, token), workers, isRetry, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, LockWorkers? workers) => SendAsync(
        request.Name,
        request,
        static (store, r, token) => store.ReleaseAsync(r, token),
        workers,
        isRetry: false,
        CancellationToken.None);

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken) => SendAsync(
        request.Name,
        request,
        static (store, r, token) => store.PollAsync(r, token),
        workers: null,
        isRetry: false,
        cancellationToken);

    public ValueTask<bool> IsMarkedAsync(
        string name, LockOccurrence occurrence, LockWorkers? workers, CancellationToken cancellationToken) => SendAsync(
        name,
        (name, occurrence),
        static (store, r, token) => store.IsMarkedAsync(r.name, r.occurrence, token),
        workers,
        isRetry: false,
        cancellationToken);

    /// <summary>The server of a lock has answered a request that bypassed the gate.</summary>
    public void Answered(string name)
    {
        if (_areInTrouble)
        {
            Of(store.ServerOf(name)).Answered(isRenewal: true);
            _areInTrouble = _servers.Any(server => server.Value.IsInTrouble);
        }
    }

    /// <summary>An acquire has failed. The first failure of an outage is logged, the others are counted.</summary>
    public void Unavailable(string name, LockStoreException error)
    {
        LockServer at = store.ServerOf(name);
        _areInTrouble = true;
        Of(at).Unavailable(at, name, error);
    }

    /// <summary>A connection is back; it is not known to which server.</summary>
    public void Reconnected()
    {
        foreach (StoreServer server in _servers.Values)
        {
            server.Reconnected();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<TAnswer> SendAsync<TRequest, TAnswer>(
        string name,
        TRequest request,
        Func<ILockStore, TRequest, CancellationToken, ValueTask<TAnswer>> ask,
        LockWorkers? workers,
        bool isRetry,
        CancellationToken cancellationToken)
    {
        LockServer at = store.ServerOf(name);
        if (!at.IsConnected)
        {
            at = await ConnectedAsync(name, at, workers, cancellationToken).ConfigureAwait(false);
        }

        StoreServer server = Of(at);
        StorePass pass = server.Enter(at, workers, isRetry);
        try
        {
            ValueTask<TAnswer> asked = ask(store, request, cancellationToken);
            TAnswer answer = workers is null || asked.IsCompleted
                ? await asked.ConfigureAwait(false)
                : await InTimeAsync(asked.AsTask(), server, isRetry).ConfigureAwait(false);
            server.Answered();
            return answer;
        }
        catch (LockStoreException e)
        {
            _areInTrouble = true;
            server.Failed(store.ServerOf(name), pass, e.Fault);
            throw;
        }
        finally
        {
            server.Leave(pass, workers);
        }
    }

    private async ValueTask<T> InTimeAsync<T>(Task<T> asked, StoreServer server, bool isRetry)
    {
        TimeSpan longest = isRetry ? LeaseTimes.LongestSecondAnswer
            : server.HasAnswered ? LeaseTimes.LongestAnswer
            : LeaseTimes.LongestFirstAnswer;
        try
        {
            return await asked.WaitAsync(longest, time, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException) when (!asked.IsCompleted)
        {
            _ = AnswersLateAsync(asked, server);
            throw new LockStoreException(
                Invariant($"{server} has not answered within {longest.TotalSeconds} seconds."), mayHaveBeenApplied: true)
            {
                Fault = LockStoreFault.Unanswered,
            };
        }
    }

    private static async Task AnswersLateAsync(Task asked, StoreServer server)
    {
        await asked.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (asked.IsCompletedSuccessfully)
        {
            server.Answered();
        }
    }

    /// <summary>Waits for the connection, if it was lost within the last second and not too many workers wait for it.</summary>
    private async ValueTask<LockServer> ConnectedAsync(
        string name, LockServer gone, LockWorkers? workers, CancellationToken cancellationToken)
    {
        StoreServer server = Of(gone);
        if (server.AwayFor(gone) < LeaseTimes.LongestReconnect && (workers is null || workers.TryWait()))
        {
            try
            {
                await server.ReconnectAsync(name, LeaseTimes.LongestReconnect).WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                workers?.EndWait();
            }

            LockServer now = store.ServerOf(name);
            if (now.IsConnected)
            {
                return now;
            }
        }

        throw new LockStoreException($"There is no connection to {server}.", mayHaveBeenApplied: false);
    }

    private StoreServer Of(in LockServer at) =>
        _servers.TryGetValue(at.Id, out StoreServer? known)
            ? known
            : _servers.GetOrAdd(at.Id, id => new StoreServer(id, store, time, logger));
}
