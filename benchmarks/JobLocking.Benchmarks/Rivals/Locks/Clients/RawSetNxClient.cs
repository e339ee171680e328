using System.Diagnostics;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>The lock of the Redis documentation: SET NX PX, and a script that deletes its own value only.</summary>
internal sealed class RawSetNxClient(IConnectionMultiplexer connection, string prefix) : ILockClient
{
    private const string CompareAndDelete = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

    private static readonly RedisValue[] Value = [Guid.NewGuid().ToString("N")];

    private readonly IDatabase _database = connection.GetDatabase();

    public long Requests => connection.GetCounters().TotalSent();

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        RedisKey[] key = [prefix + name];
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            ILockClient.Expect(await AcquireAsync(key[0]), isFree: true);
            await ReleaseAsync(key);
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        RedisKey[] key = [prefix + name];
        ILockClient.Expect(await AcquireAsync(key[0]), isFree: true);
        return new Release(() => ReleaseAsync(key));
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        RedisKey key = prefix + name;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            bool taken = await AcquireAsync(key);
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(taken, isFree: false);
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private Task<bool> AcquireAsync(RedisKey key) => _database.StringSetAsync(key, Value[0], ILockClient.Expiry, When.NotExists);

    private Task<RedisResult> ReleaseAsync(RedisKey[] key) => _database.ScriptEvaluateAsync(CompareAndDelete, key, Value);
}
