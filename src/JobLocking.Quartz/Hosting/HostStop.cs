using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Quartz.Hosting;

/// <summary>The stop of the host, which begins before its schedulers stop; and what has to be stored until then.</summary>
internal sealed class HostStop(IHostApplicationLifetime? host, TimeProvider time) : IDisposable
{
    /// <summary>The store may be out of reach, and the other services want to stop too.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _begun = CancellationTokenSource.CreateLinkedTokenSource(host?.ApplicationStopping ?? default);
    private readonly ConcurrentDictionary<Task, bool> _asking = [];

    public CancellationToken Begun => _begun.Token;

    /// <summary>A firing that asks for its lock, until it has it or is turned away.</summary>
    public async ValueTask<T> WatchAsync<T>(Task<T> asking)
    {
        _asking.TryAdd(asking, true);
        try
        {
            return await asking.ConfigureAwait(false);
        }
        finally
        {
            _asking.TryRemove(asking, out _);
        }
    }

    /// <summary>Ends all waiting in place, and waits until the deferrals that follow are stored: a scheduler that stops accepts none.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        await _begun.CancelAsync().ConfigureAwait(false);

        // How a firing ends is its own affair.
        await Task.WhenAll(_asking.Keys).WaitAsync(LongestDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _begun.Dispose();
}
