using System.Numerics;
using System.Runtime.InteropServices;

namespace JobLocking.Leasing;

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

    /// <summary>Takes out what is due until then, the first in front, and no more than so many.</summary>
    public List<TaskLease> Take(long moment, int most)
    {
        List<TaskLease> due = [];
        while (due.Count < most && First is { } first && first.Due <= moment)
        {
            Remove(first);
            due.Add(first);
        }

        return due;
    }

    /// <summary>Moves leases that are here to other moments.</summary>
    public void Move(List<(TaskLease Lease, long Due)> leases)
    {
        // One by one each takes as many steps as the heap is high; all at once takes one for each that is here:
        // Floyd, Algorithm 245, https://doi.org/10.1145/355588.365103.
        if (leases.Count * BitOperations.Log2((uint)_heap.Count + 1) < _heap.Count)
        {
            foreach ((TaskLease lease, long due) in leases)
            {
                Set(lease, due);
            }

            return;
        }

        foreach ((TaskLease lease, long due) in leases)
        {
            lease.Due = due;
            _heap[lease.Place] = (due, lease);
        }

        for (int place = (_heap.Count / 2) - 1; place >= 0; place--)
        {
            // Nothing is written into a lease that stays where it is.
            (long due, TaskLease lease) = _heap[place];
            if (_heap[SoonerBelow(place)].Due < due)
            {
                Sink(place, due, lease);
            }
        }
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
        while ((place * 2) + 1 < _heap.Count && SoonerBelow(place) is var below && _heap[below].Due < due)
        {
            Put(place, _heap[below]);
            place = below;
        }

        Put(place, (due, lease));
    }

    /// <summary>The one of the two below a place that is due sooner; there has to be one.</summary>
    private int SoonerBelow(int place)
    {
        int left = (place * 2) + 1;
        return left + 1 < _heap.Count && _heap[left + 1].Due < _heap[left].Due ? left + 1 : left;
    }

    private void Put(int place, (long Due, TaskLease Lease) entry)
    {
        _heap[place] = entry;
        entry.Lease.Place = place;
    }
}
