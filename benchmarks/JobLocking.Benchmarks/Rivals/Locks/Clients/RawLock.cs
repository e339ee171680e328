using JobLocking.Redis.Keys;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>
/// One lock by the scripts of the store, with the keys and values that the store gives them. Each call is given arrays of its
/// own, as a call by hand is; what stands in them is made once, also the lease id and who holds the lock.
/// </summary>
internal sealed class RawLock : IAsyncDisposable
{
    private readonly IDatabase _database;

    private readonly Question _acquire;

    private readonly Question _release;

    /// <param name="database">Where it is.</param>
    /// <param name="prefix">What its keys begin with.</param>
    /// <param name="name">What comes then.</param>
    /// <param name="processId">Under which its process is told of its turn.</param>
    /// <param name="parking">How it is parked when it is refused; null not to be.</param>
    /// <param name="expiry">Of its lease; null for the same as everybody's.</param>
    public RawLock(IDatabase database, string prefix, string name, string processId = "process", Parking? parking = null, TimeSpan? expiry = null)
    {
        LockKeys keys = new(prefix);
        LockHolder holder = new("benchmarks", "node", "code", null, null, DateTimeOffset.UtcNow);
        _database = database;
        LeaseId = Engine.LeaseId.New();
        _acquire = Questions.Acquire(
            keys, new AcquireRequest(name, LeaseId, expiry ?? ILockClient.Expiry, holder, Parking: parking), processId, HolderJson.Write(holder));
        _release = Questions.Release(keys, new ReleaseRequest(name, LeaseId));
        _release.Values[_release.Publishes!.Value] = (byte[])keys.Channels!;
        _release.Values[_release.Publishes.Value + 1] = 100; // as many as the store has told in vain outside a cluster
    }

    public string LeaseId { get; }

    public RedisKey Key => _acquire.Keys[0];

    /// <summary>Asks for the lock; <see cref="IsGranted"/> knows the answer.</summary>
    public Task<RedisResult> AcquireAsync() => SendAsync(_acquire);

    /// <summary>No other answer of an acquire is as short.</summary>
    public static bool IsGranted(RedisResult answer) => answer.Length == 2;

    public Task ReleaseAsync() => SendAsync(_release);

    public Task<bool> IsHeldAsync() => _database.KeyExistsAsync(Key);

    public async ValueTask DisposeAsync() => await ReleaseAsync();

    private Task<RedisResult> SendAsync(Question question) =>
        _database.ScriptEvaluateAsync(question.Script, [.. question.Keys], [.. question.Values], CommandFlags.DemandMaster);
}
