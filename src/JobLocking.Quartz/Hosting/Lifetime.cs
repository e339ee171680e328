using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Hosting;

/// <summary>Knows the end of a scheduler when it comes. The host, where there is one, begins to stop before its schedulers do.</summary>
internal sealed class Lifetime(IHostApplicationLifetime? host)
{
    public bool IsStopping(IScheduler scheduler) =>
        scheduler.Status is SchedulerStatus.ShuttingDown or SchedulerStatus.Shutdown
        || host?.ApplicationStopping.IsCancellationRequested == true;
}
