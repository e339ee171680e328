using System.Runtime.InteropServices;
using JobLocking.Stores;

namespace JobLocking.Leasing;

/// <summary>
/// The leases of this process by the name of their lock. While as many as the limit allows are before their deadlines nobody
/// else can have the lock, and who asks for it need not trouble the store.
/// </summary>
internal sealed class LocalHolders(TimeProvider time)
{
    private readonly Lock _gate = new();

    // The newest of each lock, from which the others follow: a lock has few, and an acquire shall not pay for a collection.
    private readonly Dictionary<string, TaskLease> _byName = new(StringComparer.Ordinal);

    public void Add(TaskLease lease)
    {
        lock (_gate)
        {
            ref TaskLease? newest = ref CollectionsMarshal.GetValueRefOrAddDefault(_byName, lease.Name, out _);
            lease.Older = newest;
            newest = lease;
        }
    }

    /// <summary>Forgets the lease, and none of the others under the same name.</summary>
    public void Remove(TaskLease lease)
    {
        lock (_gate)
        {
            if (!_byName.TryGetValue(lease.Name, out TaskLease? other))
            {
                return;
            }

            if (other != lease)
            {
                while (other is not null && other.Older != lease)
                {
                    other = other.Older;
                }

                other?.Older = lease.Older;
            }
            else if (lease.Older is { } older)
            {
                _byName[lease.Name] = older;
            }
            else
            {
                _byName.Remove(lease.Name);
            }

            lease.Older = null;
        }
    }

    /// <summary>Tells the lease that was broken by this very process, which need not wait for the store's notice.</summary>
    public void Break(string name, long fencingToken)
    {
        TaskLease? lease;
        lock (_gate)
        {
            lease = _byName.GetValueOrDefault(name);
            while (lease is not null && lease.FencingToken != fencingToken)
            {
                lease = lease.Older;
            }
        }

        lease?.Lose(LeaseLoss.Broken);
    }

    /// <summary>What the store would answer, if it is certain.</summary>
    public AcquireResult? Contention(string name, int limit)
    {
        lock (_gate)
        {
            return _byName.TryGetValue(name, out TaskLease? newest) ? Contention(newest, limit) : null;
        }
    }

    private AcquireResult? Contention(TaskLease newest, int limit)
    {
        long now = time.GetTimestamp();
        int count = 0;
        TaskLease? first = null;
        for (TaskLease? lease = newest; lease is not null; lease = lease.Older)
        {
            if (lease.IsHeldAt(now))
            {
                count++;
                limit = Math.Min(limit, lease.Terms.Limit);
                first = first is null || lease.DeadlineAt < first.DeadlineAt ? lease : first;
            }
        }

        return first is null || count < limit
            ? null
            : new AcquireResult(
                AcquireOutcome.Contended,
                Holder: first.Holder,
                TimeLeft: Deadline.Until(time, first.DeadlineAt),
                Others: count == 1 ? null : OtherHolders(newest, first, now));
    }

    private static List<LockHolder?> OtherHolders(TaskLease newest, TaskLease first, long now)
    {
        List<LockHolder?> others = [];
        for (TaskLease? lease = newest; lease is not null; lease = lease.Older)
        {
            if (lease != first && lease.IsHeldAt(now))
            {
                others.Add(lease.Holder);
            }
        }

        return others;
    }
}
