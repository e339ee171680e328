using System.Diagnostics;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>The lock of StackExchange.Redis itself.</summary>
internal sealed class LockTakeClient(IConnectionMultiplexer connection, string prefix) : ILockClient
{
    private static readonly RedisValue Value = Guid.NewGuid().ToString("N");

    private readonly IDatabase _database = connection.GetDatabase();

    public long Requests => connection.GetCounters().TotalSent();

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        RedisKey key = prefix + name;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            ILockClient.Expect(await _database.LockTakeAsync(key, Value, ILockClient.Expiry), isFree: true);
            await _database.LockReleaseAsync(key, Value);
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        RedisKey key = prefix + name;
        ILockClient.Expect(await _database.LockTakeAsync(key, Value, ILockClient.Expiry), isFree: true);
        return new Release(() => _database.LockReleaseAsync(key, Value));
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        RedisKey key = prefix + name;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            bool taken = await _database.LockTakeAsync(key, Value, ILockClient.Expiry);
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(taken, isFree: false);
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
