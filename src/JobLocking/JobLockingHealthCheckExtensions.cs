using JobLocking.Hosting;
using JobLocking.Leasing;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The health check of JobLocking.</summary>
public static class JobLockingHealthCheckExtensions
{
    /// <summary>Adds a check that the lock store answers, that leases are renewed in time, and that the store cannot evict locks (else degraded).</summary>
    /// <param name="builder">The health checks of the host.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What to report when it fails; null for unhealthy.</param>
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
