namespace JobLocking.Leasing;

/// <summary>
/// Leases by the moment at which the renewal loop has to act. A lease that is moved or removed leaves its old entry in the queue:
/// the entry is skipped when it comes first, and when most entries are old the queue is built again without them.
/// </summary>
internal sealed class DueTimes
{
    /// <summary>This many old entries are always allowed: building the queue again for a few would cost more than it saves.</summary>
    private const int FewEntries = 64;

    private readonly PriorityQueue<HeldLease, long> _queue = new();
    private int _count;

    /// <summary>The earliest moment; null if there is none.</summary>
    public long? First
    {
        get
        {
            while (_queue.TryPeek(out HeldLease? lease, out long due))
            {
                if (lease.IsScheduled && lease.DueAt == due)
                {
                    return due;
                }

                _queue.Dequeue();
            }

            return null;
        }
    }

    /// <summary>Adds the lease, or moves it to another moment.</summary>
    public void Set(HeldLease lease, long due)
    {
        if (lease.IsScheduled && lease.DueAt == due)
        {
            return;
        }

        _count += lease.IsScheduled ? 0 : 1;
        (lease.IsScheduled, lease.DueAt) = (true, due);
        _queue.Enqueue(lease, due);
        DropOldEntries();
    }

    public void Remove(HeldLease lease)
    {
        if (lease.IsScheduled)
        {
            lease.IsScheduled = false;
            _count--;
            DropOldEntries();
        }
    }

    /// <summary>Takes out the leases that are due at this moment, earliest first, up to a maximum number.</summary>
    public List<HeldLease> Take(long moment, int most)
    {
        List<HeldLease> due = [];
        while (due.Count < most && First <= moment)
        {
            HeldLease lease = _queue.Dequeue();
            Remove(lease);
            due.Add(lease);
        }

        return due;
    }

    /// <summary>Moves all leases to the same moment.</summary>
    public void SetAll(long due)
    {
        List<HeldLease> all = Scheduled();
        all.ForEach(lease => lease.DueAt = due);
        _queue.Clear();
        _queue.EnqueueRange(all, due);
    }

    private void DropOldEntries()
    {
        if (_count == 0)
        {
            _queue.Clear();
        }
        else if (_queue.Count > (2 * _count) + FewEntries)
        {
            List<HeldLease> all = Scheduled();
            _queue.Clear();
            _queue.EnqueueRange(all.Select(lease => (lease, lease.DueAt)));
        }
    }

    private List<HeldLease> Scheduled() =>
        [.. _queue.UnorderedItems.Select(entry => entry.Element).Where(lease => lease.IsScheduled).Distinct()];
}
