using System.Diagnostics;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

internal sealed class JobLockingClient : ILockClient
{
    private readonly Node _node;

    private readonly Observers _observers;

    private JobLockingClient(Node node, Observers observers)
    {
        _node = node;
        _observers = observers;
    }

    public long Requests => _node.Requests;

    public static async Task<JobLockingClient> StartAsync(BenchmarkRedis redis)
    {
        Observers observers = new();
        return new JobLockingClient(await Node.StartAsync(redis, "node", $"{redis.Prefix}locks:", observers.Configure), observers);
    }

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        ITaskLocks locks = _node.Locks;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            TaskLease? lease = await locks.TryAcquireAsync(name);
            ILockClient.Expect(lease is not null, isFree: true);
            await lease!.DisposeAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        TaskLease? lease = await _node.Locks.TryAcquireAsync(name);
        ILockClient.Expect(lease is not null, isFree: true);
        return lease!;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        ITaskLocks locks = _node.Locks;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            TaskLease? lease = await locks.TryAcquireAsync(name);
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(lease is not null, isFree: false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _observers.Dispose();
    }
}
