using System.Diagnostics;
using RedLockNet;
using RedLockNet.SERedis;
using RedLockNet.SERedis.Configuration;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

internal sealed class RedLockClient(IConnectionMultiplexer connection, string prefix) : ILockClient
{
    private readonly RedLockFactory _factory = RedLockFactory.Create([new RedLockMultiplexer(connection)]);

    public long Requests => connection.GetCounters().TotalSent();

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        string resource = prefix + name;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            IRedLock one = await _factory.CreateLockAsync(resource, ILockClient.Expiry);
            ILockClient.Expect(one.IsAcquired, isFree: true);
            await one.DisposeAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        IRedLock one = await _factory.CreateLockAsync(prefix + name, ILockClient.Expiry);
        ILockClient.Expect(one.IsAcquired, isFree: true);
        return one;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        string resource = prefix + name;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            IRedLock one = await _factory.CreateLockAsync(resource, ILockClient.Expiry);
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(one.IsAcquired, isFree: false);
            await one.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _factory.Dispose();
        await connection.DisposeAsync();
    }
}
