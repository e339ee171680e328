using JobLocking.Leasing;
using JobLocking.Stores;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace JobLocking.Hosting;

/// <summary>The store proves that locks can be acquired, the renewal loop is alive, and nothing evicts locks.</summary>
internal sealed class JobLockingHealthCheck(ILockStore store, RenewalLoop renewal) : IHealthCheck
{
    private static readonly TimeSpan LatestTick = TimeSpan.FromSeconds(5);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);

        if (renewal.Lateness is var late && late > LatestTick)
        {
            return new HealthCheckResult(
                context.Registration.FailureStatus,
                $"The renewal of leases is {late.TotalSeconds:0} seconds late: is the thread pool starved?");
        }

        try
        {
            string? warning = await store.CheckAsync(cancellationToken).ConfigureAwait(false);
            return warning is null ? HealthCheckResult.Healthy("Locks can be acquired.") : HealthCheckResult.Degraded(warning);
        }
        catch (LockStoreException e)
        {
            return new HealthCheckResult(context.Registration.FailureStatus, $"The lock store failed its check: {e.Message}", e);
        }
    }
}
