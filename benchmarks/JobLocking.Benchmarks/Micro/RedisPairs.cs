using BenchmarkDotNet.Attributes;

namespace JobLocking.Benchmarks.Micro;

/// <summary>Acquires and releases a free lock in Redis.</summary>
[MemoryDiagnoser]
public class RedisPairs
{
    private BenchmarkRedis _redis = null!;

    private Node _node = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        _redis = await BenchmarkRedis.StartAsync(given: null);
        _node = await Node.StartAsync(_redis, "node", _redis.Prefix);
    }

    [Benchmark]
    public async Task Pair()
    {
        await using TaskLease? lease = await _node.Locks.TryAcquireAsync("free");
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        await _node.DisposeAsync();
        await _redis.DisposeAsync();
    }
}
