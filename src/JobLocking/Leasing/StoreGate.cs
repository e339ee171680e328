using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using JobLocking.Stores;
using Microsoft.Extensions.Logging;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>
/// Asks the store on behalf of those who would wait for it, and refuses at once where that would be in vain: without a connection, after
/// its first second; while the server is silent, but for one probe at a time. Renewals do not pass here, a lease lives by them; nor does
/// what runs in the background.
/// </summary>
internal sealed class StoreGate(ILockStore store, TimeProvider time, ILogger logger)
{
    /// <summary>How long a request waits for a connection that is gone, counted from its loss.</summary>
    private static readonly TimeSpan LongestReconnect = TimeSpan.FromSeconds(1);

    /// <summary>How long an execution waits for an answer. A client library may wait longer, and a worker with it.</summary>
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(2);

    /// <summary>The same for one that is sent again: by then a server that is there has been able to answer the first.</summary>
    private static readonly TimeSpan LongestSecondAnswer = TimeSpan.FromSeconds(0.5);

    /// <summary>The same for the first answer: a process that starts has to connect, and is slow in what it does for the first time.</summary>
    private static readonly TimeSpan LongestFirstAnswer = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<object, StoreServer> _servers = [];

    // All leases of a process may be renewed at once. While all is well, that must cost nothing here.
    private volatile bool _areInTrouble;

    /// <param name="request">The request.</param>
    /// <param name="workers">The workers among which it is asked; null for all the patience of the store.</param>
    /// <param name="isRetry">The same request was not answered a moment ago: it is sent again although the server is silent.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<AcquireResult> AcquireAsync(
        AcquireRequest request, LockWorkers? workers, bool isRetry, CancellationToken cancellationToken) => AskAsync(
            request.Name, request, static (store, request, token) => store.AcquireAsync(request, token), workers, isRetry, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, LockWorkers? workers) => AskAsync(
        request.Name, request, static (store, request, token) => store.ReleaseAsync(request, token), workers, isRetry: false, CancellationToken.None);

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken) => AskAsync(
        request.Name, request, static (store, request, token) => store.PollAsync(request, token), workers: null, isRetry: false, cancellationToken);

    /// <summary>The server of a lock has answered something that did not pass here.</summary>
    public void Answered(string name)
    {
        if (_areInTrouble)
        {
            Of(store.ServerOf(name)).Answered(isRenewal: true);
            _areInTrouble = _servers.Any(server => server.Value.IsInTrouble);
        }
    }

    /// <summary>An acquire is given up. The first in an outage is logged, the others are counted.</summary>
    public void Unavailable(string name, LockStoreException error)
    {
        LockServer at = store.ServerOf(name);
        _areInTrouble = true;
        Of(at).Unavailable(at, name, error);
    }

    /// <summary>Some connection is back.</summary>
    public void Reconnected()
    {
        foreach (StoreServer server in _servers.Values)
        {
            server.Reconnected();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<TAnswer> AskAsync<TRequest, TAnswer>(
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
        TimeSpan longest = isRetry ? LongestSecondAnswer : server.HasAnswered ? LongestAnswer : LongestFirstAnswer;
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

    /// <summary>Waits for the connection, if it went only now and not too many wait for it.</summary>
    private async ValueTask<LockServer> ConnectedAsync(
        string name, LockServer gone, LockWorkers? workers, CancellationToken cancellationToken)
    {
        StoreServer server = Of(gone);
        if (server.AwayFor(gone) < LongestReconnect && (workers is null || workers.TryWait()))
        {
            try
            {
                await server.ReconnectAsync(name, LongestReconnect).WaitAsync(cancellationToken).ConfigureAwait(false);
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
