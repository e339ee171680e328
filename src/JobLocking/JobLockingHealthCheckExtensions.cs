using JobLocking.Hosting;
using JobLocking.Leasing;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The health check of JobLocking.</summary>
public static class JobLockingHealthCheckExtensions
{
    /// <summary>
    /// Adds a health check. It is unhealthy if no lock can be acquired or if leases are not renewed in time. It is degraded
    /// if locks work but the store has a problem, for example if it may evict locks.
    /// </summary>
    /// <param name="builder">The health checks of the host.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">The status to report when the check fails; null for unhealthy.</param>
    /// <param name="tags">Tags to filter by.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddJobLocking(
        this IHealthChecksBuilder builder, string name = "joblocking", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(new HealthCheckRegistration(
            name,
            static sp => new JobLockingHealthCheck(OnlyStore.Of(sp), sp.GetRequiredService<RenewalLoop>()),
            failureStatus,
            tags));
    }
}
