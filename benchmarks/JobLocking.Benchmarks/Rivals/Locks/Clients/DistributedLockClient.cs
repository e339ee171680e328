using System.Diagnostics;
using Medallion.Threading.Redis;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

internal sealed class DistributedLockClient(IConnectionMultiplexer connection, string prefix) : ILockClient
{
    public long Requests => connection.GetCounters().TotalSent();

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        RedisDistributedLock one = Lock(name);
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            RedisDistributedLockHandle? handle = await one.TryAcquireAsync();
            ILockClient.Expect(handle is not null, isFree: true);
            await handle!.DisposeAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        RedisDistributedLockHandle? handle = await Lock(name).TryAcquireAsync();
        ILockClient.Expect(handle is not null, isFree: true);
        return handle!;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        RedisDistributedLock one = Lock(name);
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            RedisDistributedLockHandle? handle = await one.TryAcquireAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(handle is not null, isFree: false);
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private RedisDistributedLock Lock(string name) => new(prefix + name, connection.GetDatabase(), options => options.Expiry(ILockClient.Expiry));
}
