using System.Collections.Concurrent;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Leasing;

/// <summary>
/// Work that goes on while its caller continues: releases that are repeated, wake-ups that are declined, callbacks on a loss.
/// </summary>
internal sealed class BackgroundWork(TimeProvider time, ILogger logger) : IDisposable
{
    private readonly ConcurrentDictionary<Task, bool> _tasks = [];
    private readonly CancellationTokenSource _ended = new();

    /// <summary>Cancelled when the container is disposed: its store will not answer any more.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Adds work that has begun and that handles its own failures.</summary>
    public void Add(Task task)
    {
        if (task.IsCompleted)
        {
            return;
        }

        _tasks.TryAdd(task, true);
        task.ContinueWith(
            static (done, all) => ((ConcurrentDictionary<Task, bool>)all!).TryRemove(done, out _), _tasks, TaskScheduler.Default);
    }

    /// <summary>Waits a while, so that a process that ends leaves no lock behind that it could have released.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(_tasks.Keys).WaitAsync(LeaseTimes.LongestDrain, time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            Log.NotDrained(logger, _tasks.Count);
        }
    }

    public void Dispose() => _ended.Cancel();
}
