using System.Collections.Concurrent;
using JobLocking.Benchmarks.Rivals.Locks.Clients;

namespace JobLocking.Benchmarks.Rivals.Locks.Held;

internal sealed class JobLockingLeases(Node node, TimeSpan expiry) : IHeldLeases
{
    private readonly ConcurrentBag<TaskLease> _leases = [];

    private readonly TaskLockOptions _options = new() { Expire = expiry };

    public long Requests => node.Requests;

    public static async Task<JobLockingLeases> StartAsync(BenchmarkRedis redis, TimeSpan expiry) =>
        new(await Node.StartAsync(redis, "node", $"{redis.Prefix}held:"), expiry);

    public async Task HoldAsync(string name)
    {
        TaskLease? lease = await node.Locks.TryAcquireAsync(name, _options);
        ILockClient.Expect(lease is not null, isFree: true);
        _leases.Add(lease!);
    }

    public int Lost() => _leases.Count(lease => lease.Lost.IsCancellationRequested);

    public async Task ReleaseAsync()
    {
        await Task.WhenAll(_leases.Select(lease => lease.DisposeAsync().AsTask()));
        _leases.Clear();
    }

    public ValueTask DisposeAsync() => node.DisposeAsync();
}
