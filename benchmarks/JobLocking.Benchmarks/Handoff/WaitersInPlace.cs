using System.Collections.Concurrent;
using System.Diagnostics;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>A line of waiters in several nodes; each releases the lock as soon as it has it, until the line is empty.</summary>
/// <remarks>They are spread over the <paramref name="others"/>, nodes without the first holder.</remarks>
internal sealed class WaitersInPlace(ILockNodes nodes, int waiters, BenchmarkRedis redis, int others = ILockNodes.Count - 1) : IHandoff
{
    private const string Name = "line";

    private long _releasedAt;

    public string Case => waiters == 1 ? "waiter in place" : $"line of {waiters} waiters in place";

    public string Library => nodes.Library;

    public async Task<Handoffs> MeasureAsync(CancellationToken cancellationToken)
    {
        ConcurrentQueue<TimeSpan> times = [];
        TaskCompletionSource<Traffic> atTheEnd = new();
        IAsyncDisposable lease = await nodes.AcquireAsync(0, Name, cancellationToken);
        Task[] line = [.. Enumerable.Range(0, waiters).Select(i => WaitAsync(1 + (i % others)))];
        await nodes.AreWaitingAsync(Name, waiters, cancellationToken);

        Traffic before = await TrafficAsync();
        await ReleaseAsync(lease);
        await Task.WhenAll(line);
        return new Handoffs(times, await atTheEnd.Task - before);

        async Task WaitAsync(int node)
        {
            IAsyncDisposable lease = await nodes.AcquireAsync(node, Name, cancellationToken);
            times.Enqueue(Stopwatch.GetElapsedTime(Volatile.Read(ref _releasedAt)));
            if (times.Count == waiters)
            {
                // No waiter is left to take over the lock: this release belongs to no handoff.
                atTheEnd.SetResult(await TrafficAsync());
            }

            await ReleaseAsync(lease);
        }
    }

    private ValueTask ReleaseAsync(IAsyncDisposable lease)
    {
        Volatile.Write(ref _releasedAt, Stopwatch.GetTimestamp());
        return lease.DisposeAsync();
    }

    private async Task<Traffic> TrafficAsync() => new(nodes.Requests, await redis.CommandsAsync());
}
