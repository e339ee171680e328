using Quartz;

namespace JobLocking.Quartz;

/// <summary>Knows the end of one scheduler when it comes: that of the host it lives in, or its own.</summary>
internal sealed class Lifetime(HostStop host) : ISchedulerListener
{
    private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(host.Begun);
    private int _listens;

    public string Name => "JobLocking";

    public bool IsStopping(IScheduler scheduler) =>
        scheduler.Status is SchedulerStatus.ShuttingDown or SchedulerStatus.Shutdown || host.Begun.IsCancellationRequested;

    /// <summary>Cancelled when the scheduler begins to stop.</summary>
    public CancellationToken EndOf(IScheduler scheduler)
    {
        if (Interlocked.Exchange(ref _listens, 1) == 0)
        {
            scheduler.ListenerManager.AddSchedulerListener(this);
        }

        // It may have begun before there was a listener.
        if (IsStopping(scheduler))
        {
            _end.Cancel();
        }

        return _end.Token;
    }

    public async ValueTask SchedulerShuttingDown(IScheduler scheduler, CancellationToken cancellationToken = default) =>
        await _end.CancelAsync().ConfigureAwait(false);
}
