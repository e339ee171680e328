using System.Collections.Concurrent;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Leasing;

/// <summary>What is set right behind the back of the job: releases that were not answered, turns that are passed on, callbacks.</summary>
internal sealed class BackgroundWork(TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<Task, bool> _tasks = [];
    private readonly CancellationTokenSource _ended = new();

    /// <summary>Cancelled with the container, whose store will never answer again.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Takes notice of work that has begun, and that answers for its own failures.</summary>
    public void Add(Task task)
    {
        if (task.IsCompleted)
        {
            return;
        }

        _tasks.TryAdd(task, true);
        task.ContinueWith(static (done, all) => ((ConcurrentDictionary<Task, bool>)all!).TryRemove(done, out _), _tasks, TaskScheduler.Default);
    }

    /// <summary>Waits a while, so that a process that ends leaves no lock behind that it could have freed.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(_tasks.Keys).WaitAsync(LongestDrain, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            Log.NotDrained(logger, _tasks.Count);
        }
    }

    public void Dispose() => _ended.Cancel();
}
