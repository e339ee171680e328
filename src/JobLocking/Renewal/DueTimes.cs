using System.Runtime.InteropServices;

namespace JobLocking.Renewal;

/// <summary>
/// Leases by the moment at which something is due for them: a binary heap that knows where each lease is, so that one that
/// ends can be taken out. Adding what is due last, as a new lease is, costs next to nothing, and nothing is allocated for it.
/// </summary>
internal sealed class DueTimes
{
    // What is compared stands beside each other: with thousands of leases, looking into each would be most of the cost.
    private readonly List<(long Due, TaskLease Lease)> _heap = [];

    public TaskLease? First => _heap.Count > 0 ? _heap[0].Lease : null;

    public static bool Contains(TaskLease lease) => lease.Place >= 0;

    /// <summary>Adds the lease, or moves it to another moment.</summary>
    public void Set(TaskLease lease, long due)
    {
        lease.Due = due;
        if (lease.Place < 0)
        {
            _heap.Add(default);
            Rise(_heap.Count - 1, due, lease);
        }
        else if (due < _heap[lease.Place].Due)
        {
            Rise(lease.Place, due, lease);
        }
        else
        {
            Sink(lease.Place, due, lease);
        }
    }

    public void Remove(TaskLease lease)
    {
        int place = lease.Place;
        if (place < 0)
        {
            return;
        }

        lease.Place = -1;
        (long due, TaskLease last) = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        if (last != lease)
        {
            if (place > 0 && due < _heap[(place - 1) / 2].Due)
            {
                Rise(place, due, last);
            }
            else
            {
                Sink(place, due, last);
            }
        }
    }

    /// <summary>Takes out what is due until then.</summary>
    public List<TaskLease> TakeUntil(long moment)
    {
        List<TaskLease> taken = [];
        while (First is { } lease && lease.Due <= moment)
        {
            Remove(lease);
            taken.Add(lease);
        }

        return taken;
    }

    /// <summary>Makes everything due at the same moment.</summary>
    public void SetAll(long due)
    {
        foreach (ref (long Due, TaskLease Lease) entry in CollectionsMarshal.AsSpan(_heap))
        {
            entry.Due = due;
            entry.Lease.Due = due;
        }
    }

    /// <summary>One by one: an operator breaks a lock now and then.</summary>
    public TaskLease? Find(string leaseId) => _heap.Find(entry => entry.Lease.Id == leaseId).Lease;

    private void Rise(int place, long due, TaskLease lease)
    {
        while (place > 0 && _heap[(place - 1) / 2] is var above && due < above.Due)
        {
            Put(place, above);
            place = (place - 1) / 2;
        }

        Put(place, (due, lease));
    }

    private void Sink(int place, long due, TaskLease lease)
    {
        for (int below; (below = (place * 2) + 1) < _heap.Count; place = below)
        {
            if (below + 1 < _heap.Count && _heap[below + 1].Due < _heap[below].Due)
            {
                below++;
            }

            if (due <= _heap[below].Due)
            {
                break;
            }

            Put(place, _heap[below]);
        }

        Put(place, (due, lease));
    }

    private void Put(int place, (long Due, TaskLease Lease) entry)
    {
        _heap[place] = entry;
        entry.Lease.Place = place;
    }
}
