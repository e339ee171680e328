using Quartz;

namespace JobLocking.Quartz;

/// <summary>The shutdown of one scheduler: its own, or that of its host.</summary>
internal sealed class SchedulerShutdown(HostShutdown host) : ISchedulerListener
{
    private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(host.Begun);
    private int _listens;

    public string Name => "JobLocking";

    public bool IsStopping(IScheduler scheduler) =>
        scheduler.Status is SchedulerStatus.ShuttingDown or SchedulerStatus.Shutdown || host.Begun.IsCancellationRequested;

    /// <summary>Cancelled when the shutdown of the scheduler begins.</summary>
    public CancellationToken EndOf(IScheduler scheduler)
    {
        if (Interlocked.Exchange(ref _listens, 1) == 0)
        {
            scheduler.ListenerManager.AddSchedulerListener(this);
        }

        // The shutdown may have begun before the listener was added.
        if (IsStopping(scheduler))
        {
            _end.Cancel();
        }

        return _end.Token;
    }

    public async ValueTask SchedulerShuttingDown(IScheduler scheduler, CancellationToken cancellationToken = default) =>
        await _end.CancelAsync().ConfigureAwait(false);
}
