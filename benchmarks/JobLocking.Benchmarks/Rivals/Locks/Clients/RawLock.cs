using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>
/// One lock with the scripts of the store, and the keys and values that the store gives them. What each acquire needs, its lease id and its
/// keys, is created for each acquire; the holder is created once.
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

    /// <param name="database">The database of the lock.</param>
    /// <param name="prefix">The prefix of its keys.</param>
    /// <param name="name">The name after the prefix.</param>
    /// <param name="processId">The id with which its process receives wake-ups.</param>
    /// <param name="entry">Its entry in the waiting queue when it is refused; null for none.</param>
    /// <param name="expiry">The expiry of its lease; null for the common one.</param>
    /// <param name="byHash">Whether the scripts are sent by their hashes, after <see cref="LoadAsync"/> has loaded them.</param>
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

    /// <summary>Loads its scripts on the server.</summary>
    public static async Task LoadAsync(IDatabase database)
    {
        foreach (LockScript script in new[] { LockScripts.Acquire, LockScripts.Release })
        {
            await database.ExecuteAsync("SCRIPT", "LOAD", script.Text);
        }
    }

    /// <summary>Requests the lock; <see cref="IsGranted"/> interprets the answer.</summary>
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
