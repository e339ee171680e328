using System.Collections.Concurrent;
using JobLocking.Stores;

namespace JobLocking.Engine;

/// <summary>
/// The leases of this process by the name of their lock. While one of them is before its deadline nobody else can have the
/// lock, and who asks for it need not trouble the store.
/// </summary>
internal sealed class LocalHolders(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, TaskLease> _byName = new(StringComparer.Ordinal);

    public void Add(TaskLease lease) => _byName[lease.Name] = lease;

    /// <summary>Forgets the lease, and not the one that has come after it under the same name.</summary>
    public void Remove(TaskLease lease) => _byName.TryRemove(KeyValuePair.Create(lease.Name, lease));

    /// <summary>Tells the lease that was broken by this very process, which need not wait for the store's notice.</summary>
    public void Break(string name, long fencingToken)
    {
        if (_byName.TryGetValue(name, out TaskLease? lease) && lease.FencingToken == fencingToken)
        {
            lease.Lose(LeaseLoss.Broken);
        }
    }

    /// <summary>What the store would answer, if it is certain.</summary>
    public AcquireResult? Contention(string name) =>
        _byName.TryGetValue(name, out TaskLease? lease) && !lease.IsReleased && !lease.IsLost()
            ? new AcquireResult(AcquireOutcome.Contended, Holder: lease.Holder, TimeLeft: Deadline.Until(time, lease.DeadlineAt))
            : null;
}
