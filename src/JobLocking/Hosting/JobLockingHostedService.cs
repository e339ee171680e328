using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Telemetry;
using JobLocking.Waiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hosting;

/// <summary>
/// Stops the host at start if a lock is declared wrongly, listens to the store from then on, and waits at the very end for what is still
/// being released. It does not stop renewal: jobs may outlive the host's shutdown timeout.
/// </summary>
internal sealed class JobLockingHostedService(IServiceProvider services, ILogger logger) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        OnlyStore.Of(services);
        IReadOnlyList<string> problems = services.GetRequiredService<LockPolicies>().Problems();
        if (problems.Count > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems.Distinct()));
        }

        services.GetRequiredService<StoreNotifications>().Begin();
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>All adapters have been added by now, and no scheduler runs yet.</summary>
    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        LockAdapters adapters = services.GetRequiredService<LockAdapters>();
        foreach (ILockAdapter adapter in adapters.All)
        {
            await adapter.CheckAsync(cancellationToken).ConfigureAwait(false);
        }

        AbsentAdapters.Check(policies, adapters, logger);
        foreach (LockOverride applied in policies.AppliedOverrides)
        {
            Log.OverrideApplied(logger, applied.Path, applied.Template, applied.Text);
        }

        foreach (LockOverride unmatched in policies.UnmatchedOverrides)
        {
            Log.UnmatchedOverride(logger, unmatched.Path, unmatched.Template);
        }

        if (string.Join("; ", HiddenLocks.In(policies)) is { Length: > 0 } hidden)
        {
            Log.LockHidden(logger, hidden);
        }

        if (logger.IsEnabled(LogLevel.Information) && StartLine.Of(policies, adapters) is { Length: > 0 } locks)
        {
            Log.Locks(logger, locks);
        }
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await services.GetRequiredService<StoreNotifications>().EndAsync().ConfigureAwait(false);
        services.GetRequiredService<LocalWaiters>().Stop();
        await services.GetRequiredService<BackgroundWork>().DrainAsync(cancellationToken).ConfigureAwait(false);
    }
}
