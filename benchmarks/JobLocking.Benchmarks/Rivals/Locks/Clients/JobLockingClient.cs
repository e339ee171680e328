using System.Diagnostics;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

internal sealed class JobLockingClient(Node node) : ILockClient
{
    public long Requests => node.Requests;

    public static async Task<JobLockingClient> StartAsync(BenchmarkRedis redis) => new(await Node.StartAsync(redis, "node", $"{redis.Prefix}locks:"));

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        ITaskLocks locks = node.Locks;
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
        TaskLease? lease = await node.Locks.TryAcquireAsync(name);
        ILockClient.Expect(lease is not null, isFree: true);
        return lease!;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        ITaskLocks locks = node.Locks;
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            TaskLease? lease = await locks.TryAcquireAsync(name);
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(lease is not null, isFree: false);
        }
    }

    public ValueTask DisposeAsync() => node.DisposeAsync();
}
