using JobLocking.Redis.Keys;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// The connection, made when it is first wanted, once for all who want it. A Redis that is down gives a connection all the
/// same, which goes on trying; only a faulty factory has to be called again.
/// </summary>
/// <remarks>
/// After a failover behind one name the client library keeps a connection that works, and leads to a replica for ever. So a
/// connection of our own that has no primary is made again, which resolves its names again. A connection that the user handed
/// over is the user's.
/// </remarks>
internal sealed class RedisConnection(RedisLockOptions options, TimeProvider time, bool isForRenewals = false) : IAsyncDisposable
{
    public const string WhyMadeAgain = "the connection to Redis had no primary that takes writes";

    // A failover takes some seconds, and most connections find the new primary by themselves.
    private static readonly TimeSpan MakeAgainAfter = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();

    private readonly CancellationTokenSource _closed = new();

    private readonly LockKeys _keys = new(options.KeyPrefix);

    private Task<IConnectionMultiplexer>? _connecting;

    private bool _disposed;

    private int _isInDoubt;

    private volatile string? _whyNoOther;

    /// <summary>The connection if it has been made, connected or not.</summary>
    public IConnectionMultiplexer? Current => _connecting is { IsCompletedSuccessfully: true } made ? made.GetAwaiter().GetResult() : null;

    public Task<IConnectionMultiplexer> GetAsync(CancellationToken cancellationToken)
    {
        Task<IConnectionMultiplexer>? connecting = _connecting;
        return connecting is { IsCompletedSuccessfully: true } ? connecting : ConnectOnceAsync().WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Why a new connection failed as well; null while there is a primary. The old one does not tell of a password that was
    /// changed: the client library says that it was closed, and nothing of the attempts that follow.
    /// </summary>
    public string? WhyNoOther => _whyNoOther;

    /// <summary>It has failed for want of a primary, and it is not known yet to have one again.</summary>
    public bool IsInDoubt => Volatile.Read(ref _isInDoubt) != 0;

    /// <summary>Makes the connection in the background, if that has not begun.</summary>
    public void Begin()
    {
        if (_connecting is null && !_closed.IsCancellationRequested)
        {
            _ = RedisFault.Observed(GetAsync(_closed.Token));
        }
    }

    /// <summary>Notes a call that failed. While calls succeed this connection sends nothing of its own.</summary>
    public void Failed(Exception error)
    {
        if (RedisFault.IsWithoutPrimary(error))
        {
            HasNoPrimary();
        }
    }

    /// <summary>Notes that a call was not sent, because no primary is connected.</summary>
    public void HasNoPrimary()
    {
        if (IsOurs && Interlocked.Exchange(ref _isInDoubt, 1) == 0)
        {
            // Not in the context of the job that failed.
            ThreadPool.UnsafeQueueUserWorkItem(static connection => _ = connection.EndDoubtAsync(), this, preferLocal: false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync().ConfigureAwait(false);
        Task<IConnectionMultiplexer>? connecting;
        lock (_gate)
        {
            _disposed = true;
            connecting = _connecting;
            _connecting = null;
        }

        if (connecting is null || !IsOurs)
        {
            return;
        }

        if (connecting.IsCompleted)
        {
            await CloseAsync(connecting).ConfigureAwait(false);
        }
        else
        {
            // A Redis that is down must not keep the host from stopping either.
            _ = CloseAsync(connecting);
        }
    }

    private bool IsOurs => options.ConnectionMultiplexerFactory is null;

    private static async Task CloseAsync(Task<IConnectionMultiplexer> connecting)
    {
        try
        {
            await (await connecting.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The callers know already why it was not made; or it is gone.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private async Task EndDoubtAsync()
    {
        try
        {
            bool hasPrimary;
            do
            {
                await Task.Delay(MakeAgainAfter, time, _closed.Token).ConfigureAwait(false);
                hasPrimary = await HasPrimaryAsync(await GetAsync(_closed.Token).ConfigureAwait(false)).ConfigureAwait(false)
                    || await MakeAgainAsync().ConfigureAwait(false);
            }
            while (!hasPrimary);
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
        {
            // The store was disposed of meanwhile.
        }
        finally
        {
            _whyNoOther = null;
            Volatile.Write(ref _isInDoubt, 0);
        }
    }

    /// <summary>
    /// Makes the connection again, as it was made first, and puts it in the place of the old one, which is closed. The old one
    /// stays while the new one has no primary either: the calls that wait on it are not cut off for nothing.
    /// </summary>
    /// <returns>Whether the new connection is in its place.</returns>
    private async Task<bool> MakeAgainAsync()
    {
        Task<IConnectionMultiplexer> made = ConnectAsync();
        if (!await HasPrimaryAsync(made).ConfigureAwait(false))
        {
            _whyNoOther = await WhyUselessAsync(made).ConfigureAwait(false);
            await CloseAsync(made).ConfigureAwait(false);
            return false;
        }

        Task<IConnectionMultiplexer> unused;
        lock (_gate)
        {
            unused = _disposed ? made : _connecting!;
            _connecting = _disposed ? null : made;
        }

        _ = CloseAsync(unused);
        return true;
    }

    private async Task<string?> WhyUselessAsync(Task<IConnectionMultiplexer> made)
    {
        try
        {
            IDatabase database = (await made.ConfigureAwait(false)).GetDatabase();
            await RedisFault.UntilAsync(database.PingAsync(CommandFlags.DemandMaster), _closed.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            return RedisFault.Reason(error);
        }
    }

    private async Task<bool> HasPrimaryAsync(Task<IConnectionMultiplexer> connecting)
    {
        try
        {
            return await HasPrimaryAsync(await connecting.ConfigureAwait(false)).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // It is made again later, whatever kept it from being made now.
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }
    }

    // The members of a cluster lead the client to the primaries themselves.
    private async Task<bool> HasPrimaryAsync(IConnectionMultiplexer connection)
    {
        foreach (IServer server in connection.GetServers().Where(server => server is { IsConnected: true, IsReplica: false }))
        {
            if (server.ServerType == ServerType.Cluster || await TakesWritesAsync(server).ConfigureAwait(false))
            {
                return true;
            }
        }

        return false;
    }

    private async Task<bool> TakesWritesAsync(IServer server)
    {
        try
        {
            await RedisFault.UntilAsync(WriteProbe.SendAsync(server, _keys), _closed.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // A refusal for another reason is not ended by another connection.
            return error is RedisServerException && !RedisFault.IsWithoutPrimary(error);
        }
    }

    private Task<IConnectionMultiplexer> ConnectOnceAsync()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_connecting is null or { IsFaulted: true } or { IsCanceled: true })
            {
                // Otherwise all waiting callers would continue one after the other: a job that blocks its thread would keep the others
                // from the connection, and the process from its notifications, until it is done.
                TaskCompletionSource<IConnectionMultiplexer> connecting = new(TaskCreationOptions.RunContinuationsAsynchronously);

                // Otherwise the connection would live in the context of the first job: with its ambient lease, in its trace.
                using (ExecutionContext.SuppressFlow())
                {
                    _ = Task.Run(ConnectAsync).ContinueWith(
                        connecting.SetFromTask,
                        CancellationToken.None,
                        TaskContinuationOptions.ExecuteSynchronously,
                        TaskScheduler.Default);
                }

                // A caller that gave up waiting does not observe the result.
                _connecting = RedisFault.Observed(connecting.Task);
            }

            return _connecting;
        }
    }

    private async Task<IConnectionMultiplexer> ConnectAsync()
    {
        if (options.ConnectionMultiplexerFactory is { } factory)
        {
            return await factory().ConfigureAwait(false);
        }

        ConfigurationOptions configuration = options.ConfigurationOptions?.Clone() ?? ConfigurationOptions.Parse(options.Configuration!);

        // The callers wait for the first try only; the connection goes on trying behind them.
        configuration.AbortOnConnectFail = false;
        configuration.ConnectRetry = 1;
        if (isForRenewals)
        {
            DedicatedThreads.UseFor(configuration);
        }

        QuickReconnect.Apply(configuration);
        return await ConnectionMultiplexer.ConnectAsync(configuration).ConfigureAwait(false);
    }
}
