using System.Diagnostics;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;

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

    /// <summary>
    /// Requests a held lock as a scheduler does for jobs that it defers: each of them is in the waiting queue when it has its answer.
    /// </summary>
    /// <returns>How many requests were sent for all of them.</returns>
    public async Task<long> DeferralsAsync(string name, TimeSpan[] times, CancellationToken stop)
    {
        LockEngine engine = node.Services.GetRequiredService<LockEngine>();
        LockPolicy policy = node.Services.GetRequiredService<LockPolicies>().Resolve(new TaskLockAttribute(name) { OnConflict = LockConflict.Defer }, "Benchmark");
        LockDecision.Defer[] deferrals = new LockDecision.Defer[times.Length];
        long before = Requests;
        for (int i = 0; i < times.Length; i++)
        {
            LockExecution execution = new()
            {
                Policy = policy,
                Name = name,
                Scheduler = "benchmark",
                Job = "Benchmark",
                Execution = $"{i}",
                Origin = ExecutionOrigin.Recurring,
            };
            long begun = Stopwatch.GetTimestamp();
            deferrals[i] = (LockDecision.Defer)await engine.DecideAsync(execution, stop);
            times[i] = Stopwatch.GetElapsedTime(begun);
        }

        long sent = Requests - before;
        Array.ForEach(deferrals, deferral => deferral.NotStored());
        await Eventually.IsTrueAsync(
            async () => (await node.Locks.ListAsync(name, stop).SingleAsync(stop)).Waiters.Count == 0, fact: "no waiter is left");
        return sent;
    }

    public ValueTask DisposeAsync() => node.DisposeAsync();
}
