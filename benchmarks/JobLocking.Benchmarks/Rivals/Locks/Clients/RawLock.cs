using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>
/// One lock by the scripts of the store, with the keys and values that the store gives them. What a lock by hand cannot do
/// without is made for each acquire, its lease id and its keys; who holds it is made once.
/// </summary>
internal sealed class RawLock : IAsyncDisposable
{
    private static readonly LockHolder Holder = new("benchmarks", "node", "code", null, null, DateTimeOffset.UtcNow);

    private static readonly byte[] HolderText = HolderJson.Write(Holder);

    private readonly IDatabase _database;

    private readonly LockKeys _keys;

    private readonly string _name;

    private readonly string _processId;

    private readonly WaiterEntry? _entry;

    private readonly TimeSpan _expiry;

    private readonly bool _byHash;

    private readonly byte[] _channels;

    /// <param name="database">Where it is.</param>
    /// <param name="prefix">What its keys begin with.</param>
    /// <param name="name">What comes then.</param>
    /// <param name="processId">Under which its process is told of its turn.</param>
    /// <param name="entry">Its entry in the waiting queue when it is refused; null for none.</param>
    /// <param name="expiry">Of its lease; null for the same as everybody's.</param>
    /// <param name="byHash">Whether the scripts go by their hashes, once <see cref="LoadAsync"/> has made them known.</param>
    public RawLock(
        IDatabase database, string prefix, string name, string processId = "process", WaiterEntry? entry = null, TimeSpan? expiry = null, bool byHash = false)
    {
        _database = database;
        _keys = new LockKeys(prefix);
        _name = name;
        _processId = processId;
        _entry = entry;
        _expiry = expiry ?? ILockClient.Expiry;
        _byHash = byHash;
        _channels = (byte[])_keys.Channels.Prefix!;
    }

    public string LeaseId { get; private set; } = "";

    public RedisKey Key => _keys.Lock(_name);

    /// <summary>Makes its scripts known to the server.</summary>
    public static async Task LoadAsync(IDatabase database)
    {
        foreach (LockScript script in new[] { LockScripts.Acquire, LockScripts.Release })
        {
            await database.ExecuteAsync("SCRIPT", "LOAD", script.Text);
        }
    }

    /// <summary>Asks for the lock; <see cref="IsGranted"/> knows the answer.</summary>
    public Task<RedisResult> AcquireAsync() => SendAsync(Acquiring());

    /// <inheritdoc cref="AcquireAsync"/>
    public RedisResult Acquire() => Send(Acquiring());

    /// <summary>No other answer of an acquire is as short.</summary>
    public static bool IsGranted(RedisResult answer) => answer.Length == 2;

    public Task ReleaseAsync() => SendAsync(Releasing());

    public void Release() => Send(Releasing());

    public Task<bool> IsHeldAsync() => _database.KeyExistsAsync(Key);

    public async ValueTask DisposeAsync() => await ReleaseAsync();

    private ScriptCall Acquiring()
    {
        LeaseId = Stores.LeaseId.New();
        return ScriptCalls.Acquire(_keys, new AcquireRequest(_name, LeaseId, _expiry, Holder, Waiter: _entry), _processId, HolderText);
    }

    private ScriptCall Releasing()
    {
        ScriptCall release = ScriptCalls.Release(_keys, new ReleaseRequest(_name, LeaseId));
        release.SetChannelPrefix(_channels, StorageLimits.UnheardWakeUps);
        return release;
    }

    private RedisResult Send(ScriptCall question) => _byHash
        ? _database.ScriptEvaluate(question.Script.Hash, question.Keys, question.Values, CommandFlags.DemandMaster)
        : _database.ScriptEvaluate(question.Script.Text, question.Keys, question.Values, CommandFlags.DemandMaster);

    private Task<RedisResult> SendAsync(ScriptCall question) => _byHash
        ? _database.ScriptEvaluateAsync(question.Script.Hash, question.Keys, question.Values, CommandFlags.DemandMaster)
        : _database.ScriptEvaluateAsync(question.Script.Text, question.Keys, question.Values, CommandFlags.DemandMaster);
}
