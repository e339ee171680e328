using JobLocking.Redis.Keys;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// The connection, made once, when it is first needed. StackExchange.Redis returns a connection even if Redis is down, and goes on
/// trying to connect; only a factory that failed is called again.
/// </summary>
/// <remarks>
/// After a failover behind one host name the client library keeps its connection to the old server, which is a replica now. So a
/// connection that JobLocking made and that has no primary is replaced by a new one, which resolves the host name again. A connection
/// that the application made is never replaced.
/// </remarks>
internal sealed class RedisConnection(
    RedisLockOptions options, TimeProvider time, SentinelMonitor? sentinels = null, bool isForRenewals = false) : IAsyncDisposable
{
    public const string WhyReplaced = "the connection to Redis had no primary that accepts writes";

    private readonly Lock _gate = new();

    private readonly CancellationTokenSource _closed = new();

    private readonly LockKeys _keys = new(options.KeyPrefix);

    private readonly PrimaryTunnel? _tunnel = sentinels?.CreateTunnel();

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
    /// Why a new connection failed as well; null while there is a primary. The old connection does not say that a password was
    /// changed: the client library reports that it was closed, and nothing about its later attempts.
    /// </summary>
    public string? WhyNoOther => _whyNoOther;

    /// <summary>A call has failed without a primary, and it is not known yet whether there is one again.</summary>
    public bool IsInDoubt => Volatile.Read(ref _isInDoubt) != 0;

    /// <summary>The sentinels have named another primary a moment ago.</summary>
    public bool HasJustMoved => _tunnel is { HasJustMoved: true };

    /// <summary>
    /// Waits until requests may be sent to the primary that the sentinels name. Without sentinels that is always so.
    /// </summary>
    public ValueTask ReadyAsync(string what, CancellationToken cancellationToken) =>
        _tunnel?.Pause is { } pause ? PausedAsync(pause, what, cancellationToken) : default;

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
#pragma warning disable CA1031 // The callers that needed the connection got the error; or it is closed already.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private async ValueTask PausedAsync(Task pause, string what, CancellationToken cancellationToken)
    {
        try
        {
            await pause.WaitAsync(ConnectionTimes.LongestPause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw sentinels!.Unavailable(what);
        }
    }

    private async Task EndDoubtAsync()
    {
        try
        {
            bool hasPrimary;
            do
            {
                await Task.Delay(ConnectionTimes.ReplaceAfter, time, _closed.Token).ConfigureAwait(false);
                hasPrimary = await HasPrimaryAsync(await GetAsync(_closed.Token).ConfigureAwait(false)).ConfigureAwait(false)
                    || await ReplaceAsync().ConfigureAwait(false);
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
    /// Makes a new connection in the same way and replaces the old one, which is closed. If the new one has no primary either, the old
    /// one stays: the calls that wait on it are not cut off.
    /// </summary>
    /// <returns>Whether the old connection was replaced.</returns>
    private async Task<bool> ReplaceAsync()
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
#pragma warning disable CA1031 // It is tried again later, whatever the error is.
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
            if (server.ServerType == ServerType.Cluster || await AcceptsWritesAsync(server).ConfigureAwait(false))
            {
                return true;
            }
        }

        return false;
    }

    private async Task<bool> AcceptsWritesAsync(IServer server)
    {
        try
        {
            await RedisFault.UntilAsync(WriteProbe.SendAsync(server, _keys), _closed.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // Another connection would not change an error of another kind.
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
                // Without this option the callers that wait would continue one after the other: a job that blocks its thread would keep
                // the others from the connection, and the process from its notifications.
                TaskCompletionSource<IConnectionMultiplexer> connecting = new(TaskCreationOptions.RunContinuationsAsynchronously);

                // The connection must not live in the execution context of the first job: with its ambient lease, in its trace.
                using (ExecutionContext.SuppressFlow())
                {
                    _ = Task.Run(ConnectAsync).ContinueWith(
                        connecting.SetFromTask,
                        CancellationToken.None,
                        TaskContinuationOptions.ExecuteSynchronously,
                        TaskScheduler.Default);
                }

                // A caller that has stopped waiting does not observe its failure.
                _connecting = RedisFault.Observed(connecting.Task);
            }

            return _connecting;
        }
    }

    private async Task<IConnectionMultiplexer> ConnectAsync()
    {
        if (options.ConnectionMultiplexerFactory is { } factory)
        {
            return ForeignConnection.Checked(await factory().ConfigureAwait(false), options);
        }

        ConfigurationOptions configuration = options.ConfigurationOptions?.Clone() ?? ConfigurationOptions.Parse(options.Configuration!);

        // The callers wait for the first attempt only; the connection goes on trying in the background.
        configuration.AbortOnConnectFail = false;
        configuration.ConnectRetry = 1;
        if (isForRenewals)
        {
            DedicatedThreads.UseFor(configuration);
        }

        QuickReconnectPolicy.Apply(configuration);

        // The check reads min-replicas-max-lag.
        configuration.AllowAdmin = true;
        if (_tunnel is null)
        {
            return await ConnectionMultiplexer.ConnectAsync(configuration).ConfigureAwait(false);
        }

        _tunnel.ApplyTo(configuration);
        await sentinels!.BeginAsync().ConfigureAwait(false);
        ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(configuration).ConfigureAwait(false);
        if (!isForRenewals && configuration.ChannelPrefix.IsNullOrEmpty)
        {
            // Refused without the permission for this channel, and only needed where the sentinels themselves cannot be reached.
            RedisChannel hello = RedisChannel.Literal("__sentinel__:hello");
            _ = RedisFault.Observed(connection.GetSubscriber().SubscribeAsync(hello, (_, text) => sentinels.ReadHello($"{text}")));
        }

        return connection;
    }
}
