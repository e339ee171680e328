using JobLocking.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Stops the start of the host if a lock is declared wrongly: Quartz starts its schedulers only when the host has started, by default,
/// and an error there does not stop the host. Also announces the shutdown of the host before the schedulers stop.
/// </summary>
internal sealed class QuartzAdapter(
    IServiceProvider services, IEnumerable<LockedScheduler> schedulers, StartChecks checks, HostShutdown stop)
    : IHostedLifecycleService, ILockAdapter
{
    string ILockAdapter.Scheduler => "Quartz";

    /// <summary>Checks what is known before any scheduler is created.</summary>
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

    /// <summary>Firings that still come fail, because their scheduler has the engine of the disposed host.</summary>
    public void End()
    {
    }
}
