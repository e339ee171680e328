using System.Buffers.Text;
using System.Runtime.CompilerServices;
using JobLocking.Redis.Checks;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>The locks in Redis: one script, and so one round trip, for each call. The scripts decide; this class sends them.</summary>
internal sealed class RedisLockStore(RedisLockOptions options, TimeProvider time, SentinelMonitor? sentinels)
    : ILockStore, IAsyncDisposable, IDisposable
{
    private readonly RedisConnection _connection = new(options, time, sentinels);

    // A second connection, with threads of its own: leases must live while jobs block all threads of the pool, which reads the other
    // connection. Threads of its own for that one would double the cost of every acquire. If the application provides the connection, there
    // is no other.
    private readonly RedisConnection? _forRenewals =
        options.ConnectionMultiplexerFactory is null ? new RedisConnection(options, time, sentinels, isForRenewals: true) : null;

    private readonly LockKeys _keys = new(options.KeyPrefix);

    private readonly ChannelPrefix _channelPrefix = new(new ChannelNames(options.KeyPrefix).Prefix);

    private readonly RenewalBatches _renewals = new(new LockKeys(options.KeyPrefix), time);

    private readonly string _processId = Base64Url.EncodeToString(Guid.NewGuid().ToByteArray());

    private volatile LockServers? _servers;

    public RedisLockStore(RedisLockOptions options, TimeProvider time)
        : this(options, time, SentinelMonitor.Of(options))
    {
    }

    public LockServer ServerOf(string name)
    {
        if (_connection.Current is not { } connection)
        {
            return new LockServer(LockServers.Only, IsConnected: true); // The first attempt to connect has not ended.
        }

        LockServer server = ServersOf(connection).Of(_keys.Lock(name));
        if (!server.IsConnected)
        {
            _connection.HasNoPrimary();
            _forRenewals?.HasNoPrimary();
        }

        return server;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        const string What = "Acquiring";
        string name = request.Name;
        byte[] holder = HolderJson.Write(request.Holder);
        (RedisResult Reply, long SentAt)? asked = request.Limit > 1
            ? null
            : await AskAsync(ScriptCalls.Acquire(_keys, request, _processId, holder), What, name, cancellationToken).ConfigureAwait(false);
        if (asked is not { } alone || ScriptReply.IsShared(alone.Reply[0]))
        {
            asked = await AskAsync(
                ScriptCalls.AcquireShared(_keys, request, _processId, holder), What, name, cancellationToken).ConfigureAwait(false);
        }

        (RedisResult answer, long sentAt) = asked.Value;
        return ScriptReply.Acquired(answer, sentAt) ?? throw new LockStoreException(
            $"{What} lock '{name}': key '{_keys.Derived(name).Fence}' holds no fencing token. Fix: delete that key.",
            mayHaveBeenApplied: false)
        {
            Fault = LockStoreFault.Refused,
        };
    }

    public async ValueTask RenewAsync(
        ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken)
    {
        RedisConnection source = _forRenewals is { Current.IsConnected: true, IsInDoubt: false } ? _forRenewals : _connection;
        const string What = "Renewing leases";
        IConnectionMultiplexer connection = source.Current ?? await ConnectAsync(What, cancellationToken).ConfigureAwait(true);
        await source.ReadyAsync(What, cancellationToken).ConfigureAwait(true);
        ThrowIfTwoPrimaries(What);
        try
        {
            await _renewals.SendAsync(connection, leases, onResults, cancellationToken).ConfigureAwait(true);
        }
        catch (LockStoreException failure) when (failure.InnerException is { } error)
        {
            Failed(error);
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        const string What = "Releasing";
        ScriptCall call = request.Limit > 1 ? ScriptCalls.ReleaseShared(_keys, request) : ScriptCalls.Release(_keys, request);
        RedisResult reply = (await AskAsync(call, What, request.Name, cancellationToken).ConfigureAwait(false)).Reply;
        if (ScriptReply.IsShared(reply))
        {
            (reply, _) = await AskAsync(
                ScriptCalls.ReleaseShared(_keys, request), What, request.Name, cancellationToken).ConfigureAwait(false);
        }

        return ScriptReply.Released(reply);
    }

    public async ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken) =>
        await CallAsync(
            ScriptCalls.Decline(_keys, request), "Declining a wake-up of", request.Name, cancellationToken).ConfigureAwait(false);

    public async ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken) =>
        await CallAsync(ScriptCalls.Leave(_keys, request), "Leaving the queue of", request.Name, cancellationToken).ConfigureAwait(false);

    public async ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken) =>
        ScriptReply.Polled(
            await CallAsync(ScriptCalls.Poll(_keys, request, _processId), "Polling", request.Name, cancellationToken)
                .ConfigureAwait(false));

    public async ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) =>
        (bool)await CallAsync(ScriptCalls.Break(_keys, name, fencingToken), "Breaking", name, cancellationToken).ConfigureAwait(false);

    public async ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken)
    {
        const string What = "Reading a mark of";
        IConnectionMultiplexer connection = await PrimaryAsync(What, cancellationToken).ConfigureAwait(false);
        try
        {
            Task<bool> asked = connection.GetDatabase().KeyExistsAsync(_keys.Derived(name).Occurrence(occurrence));
            return await RedisFault.UntilAsync(asked, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw Failure(error, $"{What} lock '{name}'");
        }
    }

    public async ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken)
    {
        IConnectionMultiplexer connection = await ConnectAsync(ProcessChannel.What, cancellationToken).ConfigureAwait(false);
        try
        {
            return await ProcessChannel.OpenAsync(
                _connection, connection, _keys, _processId, onNotification, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error) || error is NotSupportedException)
        {
            throw Failure(error, ProcessChannel.What);
        }
    }

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const string What = "Listing the locks";
        IConnectionMultiplexer connection = await ConnectAsync(What, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<IServer> servers = LockScan.Servers(connection, _keys, What);

        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (IServer server in servers)
        {
            LockScan scan = new(connection.GetDatabase(), server, _keys, seen);
            await foreach (HeldLock held in scan.RunAsync(prefix, What, cancellationToken).ConfigureAwait(false))
            {
                yield return held;
            }
        }
    }

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        IConnectionMultiplexer connection = await PrimaryAsync(StoreCheck.What, cancellationToken).ConfigureAwait(false);
        try
        {
            return await new StoreCheck(connection, sentinels, _keys, _channelPrefix, _processId, time)
                .RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw Failure(error, StoreCheck.What);
        }
        catch (LockStoreException failure) when (failure.InnerException is { } error)
        {
            Failed(error);
            throw;
        }
    }

    /// <summary>Asks the application for its connection, if it provides one.</summary>
    /// <exception cref="TaskLockException">It must not be used for locks.</exception>
    public Task ConnectForeignAsync(CancellationToken cancellationToken) =>
        options.ConnectionMultiplexerFactory is null ? Task.CompletedTask : _connection.GetAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _servers?.Dispose();
        if (_forRenewals is not null)
        {
            await _forRenewals.DisposeAsync().ConfigureAwait(false);
        }

        await _connection.DisposeAsync().ConfigureAwait(false);
        if (sentinels is not null)
        {
            await sentinels.DisposeAsync().ConfigureAwait(false);
        }
    }

    // A container that is disposed of synchronously refuses services that can only be disposed of asynchronously.
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    private LockServers ServersOf(IConnectionMultiplexer connection)
    {
        LockServers? servers = _servers;
        if (servers?.Connection == connection)
        {
            return servers;
        }

        lock (_keys)
        {
            if (_servers?.Connection != connection)
            {
                _servers?.Dispose();
                _servers = new LockServers(connection);
            }

            return _servers;
        }
    }

    private async ValueTask<RedisResult> CallAsync(ScriptCall call, string what, string name, CancellationToken cancellationToken) =>
        (await AskAsync(call, what, name, cancellationToken).ConfigureAwait(false)).Reply;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(RedisResult Reply, long SentAt)> AskAsync(
        ScriptCall call, string what, string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        while (true)
        {
            IConnectionMultiplexer connection = await PrimaryAsync(what, cancellationToken).ConfigureAwait(false);
            try
            {
                IDatabase database = connection.GetDatabase();
                if (call.Publishes)
                {
                    byte[] prefix = _channelPrefix.Known
                        ?? await RedisFault.UntilAsync(_channelPrefix.AskAsync(database), cancellationToken).ConfigureAwait(false);

                    // A member of a cluster counts its own listeners only. Outside a cluster keys have no slot.
                    call.SetChannelPrefix(prefix, connection.HashSlot(call.Keys[0]) < 0 ? StorageLimits.UnheardWakeUps : 1);
                }

                long sentAt = time.GetTimestamp();
                ValueTask<RedisResult> sent = call.Script.EvaluateAsync(database, call.Keys, call.Values);
                RedisResult reply = cancellationToken.CanBeCanceled
                    ? await RedisFault.UntilAsync(sent.AsTask(), cancellationToken).ConfigureAwait(false)
                    : await sent.ConfigureAwait(false);
                return (reply, sentAt);
            }
            catch (RedisServerException error) when (error.Kind == RedisErrorKind.NoReplicas && _connection.HasJustMoved)
            {
                // Nothing was written. Renewals are tried again anyway.
            }
            catch (Exception error) when (RedisFault.IsOne(error))
            {
                throw Failure(error, $"{what} lock '{name}'");
            }

            await Task.Delay(ConnectionTimes.WithoutReplicasPause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The connection, once requests may be sent to the primary.</summary>
    private async ValueTask<IConnectionMultiplexer> PrimaryAsync(string what, CancellationToken cancellationToken)
    {
        IConnectionMultiplexer connection = await ConnectAsync(what, cancellationToken).ConfigureAwait(false);
        await _connection.ReadyAsync(what, cancellationToken).ConfigureAwait(false);
        ThrowIfTwoPrimaries(what);
        return connection;
    }

    private void ThrowIfTwoPrimaries(string what)
    {
        if (_connection.Current is { } connection && ServersOf(connection).TwoPrimaries() is { } two)
        {
            throw new LockStoreException($"{what}: {two}", mayHaveBeenApplied: false);
        }
    }

    // Whatever one of the two connections finds out about its server, the other will find out too.
    private void Failed(Exception error)
    {
        _connection.Failed(error);
        _forRenewals?.Failed(error);
    }

    private LockStoreException Failure(Exception error, string what)
    {
        Failed(error);
        return RedisFault.Translate(error, what, _connection.WhyNoOther);
    }

    private async ValueTask<IConnectionMultiplexer> ConnectAsync(string what, CancellationToken cancellationToken)
    {
        try
        {
            IConnectionMultiplexer connection = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
            _forRenewals?.Begin();
            return connection;
        }
#pragma warning disable CA1031 // A user's factory may throw anything; in every case, nothing has been sent.
        catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            bool isSecret = SecretRedaction.MayBeIn(error);
            string why = isSecret ? $"{error.GetType().Name}, whose text is not shown, as a password may be in it." : error.Message;
            throw new LockStoreException(
                $"{what}: there is no connection to Redis: {why}", mayHaveBeenApplied: false, isSecret ? null : error)
            {
                Fault = LockStoreFault.Unanswered,
            };
        }
    }
}
