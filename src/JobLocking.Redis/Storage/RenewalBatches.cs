using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>
/// Renews many leases with few scripts: up to a hundred leases in one script, in a cluster those of one slot; leases of locks with a limit
/// above 1 have a script of their own. The results of each script are passed on as they come.
/// </summary>
/// <remarks>
/// A proxy can hide a cluster, or spread the keys itself. StackExchange.Redis does not see that. The results show it, and from then on
/// each lease has a script of its own.
/// </remarks>
internal sealed class RenewalBatches(LockKeys keys, TimeProvider time)
{
    private readonly ConcurrentDictionary<object, SemaphoreSlim> _gates = [];

    /// <summary>One script for each lease: together they were refused, or some were sent to a server that does not have them.</summary>
    private volatile bool _isSplit;

    /// <remarks>Continues on the scheduler of the caller, as <see cref="ILockStore.RenewAsync"/> says: no await here leaves it.</remarks>
    public async ValueTask SendAsync(
        IConnectionMultiplexer connection,
        ReadOnlyMemory<RenewRequest> leases,
        Action<IReadOnlyList<RenewResult>> onResults,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Round round = new(connection, leases, onResults, cancellationToken);
        await SendAllAsync(round, Enumerable.Range(0, leases.Length)).ConfigureAwait(true);
    }

    /// <summary>One failure is thrown, after all batches have ended.</summary>
    private Task SendAllAsync(Round round, IEnumerable<int> indices) =>
        Task.WhenAll(Batches(round, indices).Select(batch => SendAsync(round, batch)));

    private async Task SendAsync(Round round, List<int> batch)
    {
        (long sentAt, string results) = (0, "");
        try
        {
            (sentAt, results) = await EvaluateAsync(round, batch).ConfigureAwait(true);
        }
        catch (RedisServerException error) when (batch.Count > 1 && IsAboutKeys(error.Kind))
        {
            _isSplit = true;
            await SendAllAsync(round, batch).ConfigureAwait(true);
            return;
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            throw RedisFault.Translate(error, "Renewing leases");
        }

        List<RenewResult> answers = new(batch.Count);
        List<int> doubtful = [];
        for (int i = 0; i < batch.Count; i++)
        {
            RenewOutcome outcome = Outcome(results[i]);
            if (outcome == RenewOutcome.Missing && batch.Count > 1 && !round.KnowsSlots)
            {
                doubtful.Add(batch[i]);
            }
            else
            {
                answers.Add(new RenewResult(batch[i], outcome, sentAt));
            }
        }

        round.Pass(answers);
        await Task.WhenAll(doubtful.Select(lease => SendAloneAsync(round, lease))).ConfigureAwait(true);
    }

    /// <summary>A lease that is missing among others may be on a different server from the one that got the script.</summary>
    private async Task SendAloneAsync(Round round, int lease)
    {
        await SendAsync(round, [lease]).ConfigureAwait(true);
        if (round.Outcome(lease) is RenewOutcome.Renewed or RenewOutcome.NotYours)
        {
            _isSplit = true;
        }
    }

    /// <summary>CROSSSLOT, or the error of a proxy for the same reason.</summary>
    private static bool IsAboutKeys(RedisErrorKind kind) =>
        kind is RedisErrorKind.CrossSlot or RedisErrorKind.Unknown or RedisErrorKind.UnknownError;

    private List<List<int>> Batches(Round round, IEnumerable<int> indices)
    {
        bool isSplit = _isSplit;
        List<List<int>> batches = [];
        Dictionary<(int Slot, bool IsShared), List<int>> open = [];
        foreach (int i in indices)
        {
            ref readonly RenewRequest lease = ref round.Leases.Span[i];
            int slot = isSplit ? i : round.KnowsSlots ? round.Connection.HashSlot(keys.Lock(lease.Name)) : -1;
            ref List<int>? batch = ref CollectionsMarshal.GetValueRefOrAddDefault(open, (slot, IsShared(lease)), out _);
            if (batch is null || batch.Count == StorageLimits.RenewalBatch)
            {
                batches.Add(batch = []);
            }

            batch.Add(i);
        }

        return batches;
    }

    private static bool IsShared(in RenewRequest lease) => lease.Limit > 1;

    private async Task<(long SentAt, string Results)> EvaluateAsync(Round round, List<int> batch)
    {
        SemaphoreSlim gate = _gates.GetOrAdd(ServerOf(round, batch[0]), static _ => new SemaphoreSlim(StorageLimits.RenewalBatchesAtOnce));
        await gate.WaitAsync(round.CancellationToken).ConfigureAwait(true);
        try
        {
            long sentAt = time.GetTimestamp();
            Task<RedisResult> sent = RedisFault.Observed(EvaluateAsync(round.Connection.GetDatabase(), CallFor(round, batch)));
            return (sentAt, (string)(await sent.WaitAsync(round.CancellationToken).ConfigureAwait(true))!);
        }
        finally
        {
            gate.Release();
        }
    }

    private static async Task<RedisResult> EvaluateAsync(IDatabase database, ScriptCall call)
    {
        try
        {
            return await call.Script.SendHashAsync(database, call.Keys, call.Values).ConfigureAwait(true);
        }
        catch (RedisServerException error) when (error.Kind == RedisErrorKind.NoScript)
        {
            return await call.Script.SendTextAsync(database, call.Keys, call.Values).ConfigureAwait(true);
        }
    }

    /// <summary>A server that does not answer must not hold up the renewals on another.</summary>
    private object ServerOf(Round round, int lease)
    {
        if (!round.KnowsSlots)
        {
            return this;
        }

        try
        {
            return round.Connection.GetServer(keys.Lock(round.Leases.Span[lease].Name), flags: CommandFlags.DemandMaster).EndPoint;
        }
        catch (Exception error) when (error is InvalidOperationException or NotSupportedException || RedisFault.IsOne(error))
        {
            return this; // No server is known for the slot. Sending fails with the reason.
        }
    }

    private ScriptCall CallFor(Round round, List<int> batch)
    {
        List<RedisKey> touched = new(batch.Count * 2);
        RedisValue[] values = new RedisValue[batch.Count * 3];
        for (int i = 0; i < batch.Count; i++)
        {
            ref readonly RenewRequest lease = ref round.Leases.Span[batch[i]];
            int before = touched.Count;
            touched.Add(keys.Lock(lease.Name));
            if (IsShared(lease))
            {
                DerivedKeys derived = keys.Derived(lease.Name);
                touched.Add(derived.Holders);
                touched.Add(derived.Limits);
            }

            if (lease.Occurrence is { } occurrence)
            {
                touched.Add(keys.Derived(lease.Name).Occurrence(occurrence));
            }

            values[i * 3] = lease.LeaseId;
            values[(i * 3) + 1] = ScriptCall.Milliseconds(lease.Expiry);
            values[(i * 3) + 2] = touched.Count - before;
        }

        return new ScriptCall(IsShared(round.Leases.Span[batch[0]]) ? LockScripts.RenewShared : LockScripts.Renew, [.. touched], values);
    }

    private static RenewOutcome Outcome(char result) => result switch
    {
        'r' => RenewOutcome.Renewed,
        't' => RenewOutcome.NotYours,
        'm' => RenewOutcome.Missing,
        _ => RenewOutcome.Transient,
    };

    /// <summary>One call to renew, and what is known about its leases.</summary>
    private sealed class Round(
        IConnectionMultiplexer connection,
        ReadOnlyMemory<RenewRequest> leases,
        Action<IReadOnlyList<RenewResult>> onResults,
        CancellationToken cancellationToken)
    {
        private readonly RenewOutcome[] _outcomes = new RenewOutcome[leases.Length];
        private readonly Lock _gate = new();

        public IConnectionMultiplexer Connection => connection;

        public ReadOnlyMemory<RenewRequest> Leases => leases;

        public CancellationToken CancellationToken => cancellationToken;

        /// <summary>
        /// Whether the client library sees a cluster and talks to its members directly. Through a proxy it sees slots, but no members.
        /// </summary>
        public bool KnowsSlots { get; } = connection.HashSlot("any") >= 0
            && Array.Exists(connection.GetServers(), server => server.ServerType == ServerType.Cluster);

        public RenewOutcome Outcome(int lease) => _outcomes[lease];

        public void Pass(List<RenewResult> answers)
        {
            lock (_gate)
            {
                foreach (RenewResult result in answers)
                {
                    _outcomes[result.Index] = result.Outcome;
                }

                if (answers.Count > 0)
                {
                    onResults(answers);
                }
            }
        }
    }
}
