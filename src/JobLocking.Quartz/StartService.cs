using JobLocking.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Stops the host at start if a lock is declared wrongly. By default Quartz starts its schedulers only when the host has
/// started, and an error there stops nothing. And tells of the stop of the host before it comes to the schedulers.
/// </summary>
internal sealed class StartService(
    IServiceProvider services, IEnumerable<LockedScheduler> schedulers, SchedulerChecks checks, HostStop stop)
    : IHostedLifecycleService, ILockAdapter
{
    string ILockAdapter.Scheduler => "Quartz";

    /// <summary>What is known before any scheduler is created.</summary>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (LockedScheduler scheduler in schedulers)
        {
            TaskLockQuartzBuilderExtensions.Policies(services, scheduler.Name);
        }

        services.GetRequiredService<LockAdapters>().GetOrAdd(() => this);
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>All schedulers have been created by now, with their jobs.</summary>
    public async ValueTask CheckAsync(CancellationToken cancellationToken)
    {
        await checks.RunAsync(cancellationToken).ConfigureAwait(false);
        await UnlockedJobs.WarnAsync(services, checks.Schedulers, TaskLockQuartzBuilderExtensions.Logger(services), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>All schedulers still run.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken) => stop.BeginAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>A firing that comes all the same fails: its scheduler has the engine of the host that was disposed, and no other.</summary>
    public void End()
    {
    }
}
