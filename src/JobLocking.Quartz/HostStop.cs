using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Quartz;

/// <summary>The stop of the host, which begins before its schedulers stop; and what has to be stored until then.</summary>
internal sealed class HostStop(IHostApplicationLifetime? host, TimeProvider time) : IDisposable
{
    /// <summary>The store may be out of reach, and the other services want to stop too.</summary>
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _begun = CancellationTokenSource.CreateLinkedTokenSource(host?.ApplicationStopping ?? default);
    private readonly ConcurrentDictionary<TaskCompletionSource, bool> _asking = [];

    public CancellationToken Begun => _begun.Token;

    /// <summary>A firing that asks for its lock, until it has it or is turned away.</summary>
    public async ValueTask<T> WatchAsync<T>(Task<T> asking)
    {
        // Not the task that asks: with it the job would go on, before the stop does, which has to wait no longer.
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

    /// <summary>Ends all waiting in place, and waits until the deferrals that follow are stored: a scheduler that stops accepts none.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        await _begun.CancelAsync().ConfigureAwait(false);

        // What keeps them longer is their own affair.
        await Task.WhenAll(_asking.Keys.Select(asked => asked.Task)).WaitAsync(LongestDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _begun.Dispose();
}
