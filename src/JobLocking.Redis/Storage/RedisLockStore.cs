using System.Buffers.Text;
using System.Globalization;
using System.Runtime.CompilerServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>The locks in Redis: one script, and so one round trip, for each question. The scripts decide; this is their wire.</summary>
internal sealed class RedisLockStore(RedisLockOptions options) : ILockStore, IAsyncDisposable, IDisposable
{
    private const long FenceLifetimeMs = 24 * 60 * 60 * 1000;

    private readonly RedisConnection _connection = new(options);

    private readonly LockKeys _keys = new(options.KeyPrefix);

    private readonly string _processId = Base64Url.EncodeToString(Guid.NewGuid().ToByteArray());

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        string name = request.Name;
        LockOccurrence? occurrence = request.Occurrence;
        RedisKey[] keys = occurrence is null
            ? [_keys.Lock(name), _keys.Fence(name)]
            : [_keys.Lock(name), _keys.Fence(name), _keys.Occurrence(name, occurrence)];
        RedisValue[] values =
        [
            request.LeaseId,
            Milliseconds(request.Expiry),
            _processId,
            HolderJson.Write(request.Holder),
            FenceLifetimeMs,
            occurrence is { IsRetry: true } ? "1" : "0",
        ];

        RedisResult answer = await EvaluateAsync(LockScripts.Acquire, keys, values, "Acquiring", name, cancellationToken).ConfigureAwait(false);
        switch ((string?)answer[0])
        {
            case "granted":
                return new AcquireResult(AcquireOutcome.Granted, (long)answer[1]);
            case "running":
                return new AcquireResult(AcquireOutcome.OccurrenceRunning, Holder: OccurrenceMark.Holder(Bytes(answer[1])), TimeLeft: TimeLeft(answer[2]));
            case "succeeded":
                return new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: OccurrenceMark.Holder(Bytes(answer[1])));
            case "failed":
                return new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: OccurrenceMark.Holder(Bytes(answer[1])));
            case "unfenced":
                throw new LockStoreException($"Acquiring lock '{name}': key '{_keys.Fence(name)}' holds no fencing token. Fix: delete that key.", mayHaveBeenApplied: false);
            default:
                LockValue held = LockValue.Parse(Bytes(answer[1]));
                return new AcquireResult(AcquireOutcome.Contended, Holder: held.Holder, TimeLeft: TimeLeft(answer[2]), IsKept: held.IsKept);
        }
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Memory<RenewOutcome> outcomes, CancellationToken cancellationToken)
    {
        IConnectionMultiplexer connection = await ConnectAsync("Renewing leases", cancellationToken).ConfigureAwait(false);
        await new RenewalBatches(connection, _keys).SendAsync(leases, outcomes, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        string name = request.Name;
        OccurrenceEnd? end = request.Occurrence;
        RedisKey[] keys = end is null ? [_keys.Lock(name)] : [_keys.Lock(name), _keys.Occurrence(name, end.Occurrence)];
        RedisValue[] values =
        [
            request.LeaseId ?? "",
            request.KeepFor > TimeSpan.Zero ? Milliseconds(request.KeepFor) : 0,
            end is null or { Outcome: OccurrenceOutcome.Unfinished } ? "" : OccurrenceMark.Of(end),
            Milliseconds(end?.Retention ?? TimeSpan.Zero),
        ];

        RedisResult answer = await EvaluateAsync(LockScripts.Release, keys, values, "Releasing", name, cancellationToken).ConfigureAwait(false);
        return (string?)answer switch
        {
            "released" => ReleaseOutcome.Released,
            "missing" => ReleaseOutcome.Missing,
            _ => ReleaseOutcome.NotYours,
        };
    }

    public ValueTask<LookResult> LookAsync(LookRequest request, CancellationToken cancellationToken) => throw new NotImplementedException();

    public async ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken)
    {
        const string What = "Breaking";

        // The connection may put a prefix before its channels. Only it knows; a script that publishes does not.
        RedisResult channels = await AskAsync(redis => redis.ExecuteAsync("ECHO", _keys.Channels), What, name, cancellationToken).ConfigureAwait(false);
        RedisValue[] values = [fencingToken.ToString(CultureInfo.InvariantCulture), (RedisValue)channels];
        return (bool)await EvaluateAsync(LockScripts.Break, [_keys.Lock(name)], values, What, name, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<IAsyncDisposable> ListenAsync(Action<LockNotice> onNotice, CancellationToken cancellationToken)
    {
        const string What = "Listening for notices";
        IConnectionMultiplexer connection = await ConnectAsync(What, cancellationToken).ConfigureAwait(false);
        try
        {
            return await ProcessChannel.OpenAsync(connection, _keys.Channel(_processId), onNotice, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw RedisFault.Translate(error, What);
        }
    }

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const string What = "Listing the locks";
        IConnectionMultiplexer connection = await ConnectAsync(What, cancellationToken).ConfigureAwait(false);
        IServer[] servers = Primaries(connection, What);

        // SCAN may find a key twice.
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (IServer server in servers)
        {
            LockScan scan = new(connection.GetDatabase(), server, _keys);
            await foreach (HeldLock held in scan.RunAsync(prefix, What, cancellationToken).ConfigureAwait(false))
            {
                if (seen.Add(held.Name))
                {
                    yield return held;
                }
            }
        }
    }

    public async ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        const string What = "Asking Redis whether it answers";
        IConnectionMultiplexer connection = await ConnectAsync(What, cancellationToken).ConfigureAwait(false);
        try
        {
            await RedisFault.UntilAsync(connection.GetDatabase().PingAsync(CommandFlags.DemandMaster), cancellationToken).ConfigureAwait(false);
            foreach (IServer server in Primaries(connection, What))
            {
                if (await RedisFault.UntilAsync(EvictionCheck.WarningAsync(server), cancellationToken).ConfigureAwait(false) is { } warning)
                {
                    return warning;
                }
            }

            return null;
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw RedisFault.Translate(error, What);
        }
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    // A container that is disposed of synchronously refuses services that can only be disposed of asynchronously.
    public void Dispose() => _connection.DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Upwards: a lease must not end in Redis before it ends for its holder.</summary>
    internal static long Milliseconds(TimeSpan span) => Math.Max(1, (long)Math.Ceiling(span.TotalMilliseconds));

    internal static ReadOnlySpan<byte> Bytes(RedisResult value) => ((ReadOnlyMemory<byte>)(RedisValue)value).Span;

    /// <summary>PTTL answers −1 for a key without expiry, and −2 for one that has just gone.</summary>
    internal static TimeSpan? TimeLeft(RedisResult pttl) => (long)pttl switch
    {
        -1 => null,
        long left => TimeSpan.FromMilliseconds(Math.Max(0, left)),
    };

    private static IServer[] Primaries(IConnectionMultiplexer connection, string what)
    {
        IServer[] primaries = [.. connection.GetServers().Where(server => server is { IsConnected: true, IsReplica: false })];
        return primaries.Length > 0 ? primaries : throw new LockStoreException($"{what}: Redis cannot be reached.", mayHaveBeenApplied: false);
    }

    private ValueTask<RedisResult> EvaluateAsync(
        string script, RedisKey[] keys, RedisValue[] values, string what, string name, CancellationToken cancellationToken) =>
        AskAsync(redis => redis.ScriptEvaluateAsync(script, keys, values, CommandFlags.DemandMaster), what, name, cancellationToken);

    private async ValueTask<RedisResult> AskAsync(Func<IDatabase, Task<RedisResult>> ask, string what, string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        IConnectionMultiplexer connection = await ConnectAsync(what, cancellationToken).ConfigureAwait(false);
        try
        {
            return await RedisFault.UntilAsync(ask(connection.GetDatabase()), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw RedisFault.Translate(error, $"{what} lock '{name}'");
        }
    }

    private async ValueTask<IConnectionMultiplexer> ConnectAsync(string what, CancellationToken cancellationToken)
    {
        try
        {
            return await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A user's factory may throw anything, and whatever it is, nothing has been sent.
        catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            throw new LockStoreException($"{what}: there is no connection to Redis: {error.Message}", mayHaveBeenApplied: false, error);
        }
    }
}
