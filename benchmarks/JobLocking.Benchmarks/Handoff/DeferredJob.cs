using System.Diagnostics;
using JobLocking.TestKit;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>A job that found its lock taken and was deferred; one node holds the lock by hand, another has the scheduler.</summary>
internal abstract class DeferredJob(string lockName, Node holder, Node worker, Bodies bodies, BenchmarkRedis redis) : IHandoff, IAsyncDisposable
{
    public abstract string Case { get; }

    public string Library => "JobLocking";

    protected Node Worker => worker;

    public async Task<Handoffs> MeasureAsync(CancellationToken cancellationToken)
    {
        TaskLease lease = await holder.Locks.TryAcquireAsync(lockName, cancellationToken: cancellationToken)
            ?? throw new InvalidOperationException($"Lock '{lockName}' is taken.");
        Bodies.Body body = bodies.Next();
        await StartAsync();
        await Eventually.IsTrueAsync(async () => await IsQueuedAsync() && await IsDeferredAsync(), fact: $"{Case}: the job is deferred");

        Traffic before = await TrafficAsync();
        long released = Stopwatch.GetTimestamp();
        await lease.DisposeAsync();
        Handoffs handoffs;
        try
        {
            TimeSpan handoff = Stopwatch.GetElapsedTime(released, await body.Begun.WaitAsync(cancellationToken));
            handoffs = new Handoffs([handoff], await TrafficAsync() - before);
        }
        finally
        {
            body.LetGo();
        }

        await Eventually.IsTrueAsync(HasEndedAsync, fact: $"{Case}: the job has run to its end");
        return handoffs;

        async Task<bool> IsQueuedAsync() =>
            (await holder.Locks.ListAsync(lockName, cancellationToken).SingleAsync(cancellationToken)).Waiters.Count == 1;
    }

    public virtual async ValueTask DisposeAsync()
    {
        await worker.DisposeAsync();
        await holder.DisposeAsync();
    }

    /// <summary>Makes the scheduler run the job now.</summary>
    protected abstract Task StartAsync();

    /// <summary>Whether the scheduler has stored the deferral.</summary>
    protected abstract Task<bool> IsDeferredAsync();

    /// <summary>Whether the scheduler is done with the job.</summary>
    protected abstract Task<bool> HasEndedAsync();

    private async Task<Traffic> TrafficAsync() => new(holder.Requests + worker.Requests, await redis.CommandsAsync());
}
