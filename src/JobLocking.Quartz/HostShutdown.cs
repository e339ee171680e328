using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Quartz;

/// <summary>
/// The shutdown of the host, which begins before its schedulers stop: deferrals that are being stored must be stored by then.
/// </summary>
internal sealed class HostShutdown(IHostApplicationLifetime? host, TimeProvider time) : IDisposable
{
    /// <summary>The store may be unavailable, and other services have to stop, too.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _begun = CancellationTokenSource.CreateLinkedTokenSource(host?.ApplicationStopping ?? default);
    private readonly ConcurrentDictionary<TaskCompletionSource, bool> _asking = [];

    public CancellationToken Begun => _begun.Token;

    /// <summary>Watches a firing that asks for its lock, until it has the lock or does not run.</summary>
    public async ValueTask<T> WatchAsync<T>(Task<T> asking)
    {
        // Not the task that asks: if the shutdown waited for that, its continuations, the job among them, would come first.
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _asking.TryAdd(asked, true);
        try
        {
            return await asking.ConfigureAwait(false);
        }
        finally
        {
            _asking.TryRemove(asked, out _);
            asked.SetResult();
        }
    }

    /// <summary>Ends all waits in place, and waits until the deferrals that follow are stored: a stopping scheduler accepts none.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        await _begun.CancelAsync().ConfigureAwait(false);

        // Those that take longer are not waited for.
        await Task.WhenAll(_asking.Keys.Select(asked => asked.Task))
            .WaitAsync(LongestDelay, time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _begun.Dispose();
}
