using System.Collections.Concurrent;
using JobLocking.Benchmarks.Rivals.Locks.Clients;

namespace JobLocking.Benchmarks.Rivals.Locks.Held;

internal sealed class JobLockingLeases : IHeldLeases
{
    private readonly ConcurrentBag<TaskLease> _leases = [];

    private readonly Node _node;

    private readonly Observers _observers;

    private readonly TaskLockOptions _options;

    private JobLockingLeases(Node node, Observers observers, TimeSpan expiry)
    {
        _node = node;
        _observers = observers;
        _options = new TaskLockOptions { Expire = expiry };
    }

    public long Requests => _node.Requests;

    public static async Task<JobLockingLeases> StartAsync(BenchmarkRedis redis, TimeSpan expiry)
    {
        Observers observers = new();
        return new JobLockingLeases(await Node.StartAsync(redis, "node", $"{redis.Prefix}held:", observers.Configure), observers, expiry);
    }

    public async Task HoldAsync(string name)
    {
        TaskLease? lease = await _node.Locks.TryAcquireAsync(name, _options);
        ILockClient.Expect(lease is not null, isFree: true);
        _leases.Add(lease!);
    }

    public int Lost() => _leases.Count(lease => lease.Lost.IsCancellationRequested);

    public async Task ReleaseAsync()
    {
        await Task.WhenAll(_leases.Select(lease => lease.DisposeAsync().AsTask()));
        _leases.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _observers.Dispose();
    }
}
