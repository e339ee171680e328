using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Hosting;

/// <summary>
/// Stops the host at start if a lock is declared wrongly. By default Quartz starts its schedulers only when the host has
/// started, and an error there stops nothing. And tells of the stop of the host before it comes to the schedulers.
/// </summary>
internal sealed class StartService(IServiceProvider services, IEnumerable<LockedScheduler> schedulers, SchedulerChecks checks, HostStop stop) : IHostedLifecycleService
{
    /// <summary>What is known before any scheduler is created.</summary>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (LockedScheduler scheduler in schedulers)
        {
            TaskLockQuartzBuilderExtensions.Policies(services, scheduler.Name);
        }

        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>All schedulers have been created by now, with their jobs.</summary>
    public Task StartedAsync(CancellationToken cancellationToken) => checks.RunAsync(cancellationToken);

    /// <summary>All schedulers still run.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken) => stop.BeginAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
