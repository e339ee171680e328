using Hangfire;

#pragma warning disable IDE0060 // An argument that tells jobs apart.

namespace JobLocking.Hangfire.Tests.Eu;

/// <summary>Another class has the same short name.</summary>
[AutomaticRetry(Attempts = 0)]
public class Sync(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("vendor-api", DeferBy = 1)]
    public Task Run(string probe, string region, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
}
