using JobLocking.Stores;

namespace JobLocking.TestKit;

/// <summary>Requests as an engine sends them to a store.</summary>
public static class LockRequests
{
    public static string LeaseId() => Convert.ToBase64String(Guid.NewGuid().ToByteArray())[..22].Replace('+', '-').Replace('/', '_');

    public static LockHolder Holder(string node = "node-1") =>
        new("billing", node, "Hangfire", "Invoices.Send", "17", new DateTimeOffset(2026, 3, 1, 12, 30, 45, 123, TimeSpan.Zero));

    /// <summary>An acquire with a new lease id, for one minute unless another expiry is given.</summary>
    public static AcquireRequest Acquire(string name, TimeSpan? expiry = null, string node = "node-1", LockOccurrence? occurrence = null) =>
        new(name, LeaseId(), expiry ?? TimeSpan.FromMinutes(1), Holder(node), occurrence);

    public static RenewRequest Renew(AcquireRequest lease, TimeSpan? expiry = null) =>
        new(lease.Name, lease.LeaseId, expiry ?? TimeSpan.FromMinutes(1), lease.Occurrence, lease.Limit);

    public static ReleaseRequest Release(AcquireRequest lease, TimeSpan keepFor = default, OccurrenceEnd? end = null) =>
        new(lease.Name, lease.LeaseId, keepFor, end, lease.Limit);
}
