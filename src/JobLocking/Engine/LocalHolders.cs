using System.Collections.Concurrent;
using JobLocking.Stores;

namespace JobLocking.Engine;

/// <summary>
/// The leases of this process by the name of their lock. While as many as the limit allows are before their deadlines nobody
/// else can have the lock, and who asks for it need not trouble the store.
/// </summary>
internal sealed class LocalHolders(TimeProvider time)
{
    // Arrays that are replaced, never changed, so that reading needs no lock.
    private readonly ConcurrentDictionary<string, TaskLease[]> _byName = new(StringComparer.Ordinal);

    public void Add(TaskLease lease) =>
        _byName.AddOrUpdate(lease.Name, static (_, added) => [added], static (_, before, added) => [.. before, added], lease);

    /// <summary>Forgets the lease, and none of the others under the same name.</summary>
    public void Remove(TaskLease lease)
    {
        while (_byName.TryGetValue(lease.Name, out TaskLease[]? before) && before.Contains(lease))
        {
            bool removed = before.Length == 1
                ? _byName.TryRemove(KeyValuePair.Create(lease.Name, before))
                : _byName.TryUpdate(lease.Name, [.. before.Where(other => other != lease)], before);
            if (removed)
            {
                return;
            }
        }
    }

    /// <summary>Tells the lease that was broken by this very process, which need not wait for the store's notice.</summary>
    public void Break(string name, long fencingToken)
    {
        if (_byName.TryGetValue(name, out TaskLease[]? leases))
        {
            Array.Find(leases, lease => lease.FencingToken == fencingToken)?.Lose(LeaseLoss.Broken);
        }
    }

    /// <summary>What the store would answer, if it is certain.</summary>
    public AcquireResult? Contention(string name, int limit)
    {
        if (!_byName.TryGetValue(name, out TaskLease[]? leases))
        {
            return null;
        }

        TaskLease[] held = Array.FindAll(leases, lease => !lease.IsReleased && !lease.IsLost());
        if (held.Length == 0 || held.Length < Math.Min(limit, held.Min(lease => lease.Terms.Limit)))
        {
            return null;
        }

        TaskLease first = held.MinBy(lease => lease.DeadlineAt)!;
        return new AcquireResult(
            AcquireOutcome.Contended,
            Holder: first.Holder,
            TimeLeft: Deadline.Until(time, first.DeadlineAt),
            Others: held.Length == 1 ? null : [.. held.Where(lease => lease != first).Select(lease => lease.Holder)]);
    }
}
