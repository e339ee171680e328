using System.Collections.Concurrent;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using Medallion.Threading.Redis;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Held;

internal sealed class DistributedLockLeases(IConnectionMultiplexer connection, string prefix, TimeSpan expiry) : IHeldLeases
{
    private readonly ConcurrentBag<RedisDistributedLockHandle> _handles = [];

    public long Requests => connection.GetCounters().TotalSent();

    public async Task HoldAsync(string name)
    {
        RedisDistributedLock one = new(
            prefix + name, connection.GetDatabase(), options => options.Expiry(expiry).ExtensionCadence(expiry / 3));
        RedisDistributedLockHandle? handle = await one.TryAcquireAsync();
        ILockClient.Expect(handle is not null, isFree: true);
        _handles.Add(handle!);
    }

    public int Lost() => _handles.Count(handle => handle.HandleLostToken.IsCancellationRequested);

    public async Task ReleaseAsync()
    {
        await Task.WhenAll(_handles.Select(handle => handle.DisposeAsync().AsTask()));
        _handles.Clear();
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
