using System.Runtime.InteropServices;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Leasing;

/// <summary>
/// The registry of the leases that this process holds: by the name of the lock, and by the moment at which the renewal loop
/// has to act. A lease leaves it only by <see cref="Release"/> or by being lost, both of which happen here.
/// </summary>
internal sealed class HeldLeases(BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger)
{
    private readonly Lock _gate = new();

    // The newest lease of each lock, which refers to the others: a lock has few, and an acquire should not pay for a collection.
    private readonly Dictionary<string, HeldLease> _byName = new(StringComparer.Ordinal);
    private readonly DueTimes _due = new();

    /// <summary>Raised when the last lease has ended.</summary>
    public event Action? Emptied;

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _byName.Count == 0;
            }
        }
    }

    /// <summary>The earliest moment at which the renewal loop has to act; null if there is none.</summary>
    public long? FirstDue
    {
        get
        {
            lock (_gate)
            {
                return _due.First;
            }
        }
    }

    public void Add(HeldLease lease, long due)
    {
        lease.IsCounted = metrics.LeaseBegan(lease.Template, lease.Holder.Scheduler);
        lock (_gate)
        {
            lease.IsListed = true;
            ref HeldLease? newest = ref CollectionsMarshal.GetValueRefOrAddDefault(_byName, lease.Name, out _);
            lease.Older = newest;
            newest = lease;
            _due.Set(lease, due);
        }
    }

    /// <summary>
    /// Takes out the leases that are due at this moment, earliest first, up to a maximum number. They stay in the registry.
    /// </summary>
    public List<HeldLease> TakeDue(long moment, int most)
    {
        lock (_gate)
        {
            return _due.Take(moment, most);
        }
    }

    /// <summary>Sets when the renewal loop has to act again. Leases that have ended meanwhile are left out.</summary>
    public void SetDue(IEnumerable<(HeldLease Lease, long Due)> leases)
    {
        lock (_gate)
        {
            foreach ((HeldLease lease, long due) in leases)
            {
                if (lease.IsListed)
                {
                    _due.Set(lease, due);
                }
            }
        }
    }

    /// <summary>Makes the renewal loop act on all leases at this moment.</summary>
    public void SetAllDue(long due)
    {
        lock (_gate)
        {
            _due.SetAll(due);
        }
    }

    /// <summary>Whether the lease is lost. If its deadline has passed, it is lost now.</summary>
    public bool IsLost(HeldLease lease)
    {
        if (lease.IsOverdue)
        {
            Lose(lease, LeaseLoss.Expired);
        }

        return lease.IsLost;
    }

    /// <returns>False if the lease was lost or released before.</returns>
    public bool Lose(HeldLease lease, LeaseLoss loss)
    {
        if (TryLose(lease, loss) is not { } callbacks)
        {
            return false;
        }

        Report(lease, callbacks);
        return true;
    }

    /// <summary>Does the same, but neither logs nor counts the loss: <see cref="Report"/> has to follow. Never blocks.</summary>
    /// <returns>The callbacks on the loss, which run on the thread pool; null if the lease was lost or released before.</returns>
    public Task? TryLose(HeldLease lease, LeaseLoss loss)
    {
        Task? callbacks = lease.TryLose(loss);
        if (callbacks is not null)
        {
            Remove(lease);
        }

        return callbacks;
    }

    /// <summary>Logs and counts a loss.</summary>
    public void Report(HeldLease lease, Task callbacks)
    {
        LeaseLoss loss = lease.Loss!.Value;
        metrics.LeaseLost(lease.Template, lease.Holder.Scheduler, lease.IsCounted, lease.HeldFor, loss.Tag());
        (string cause, string advice) = loss.Describe(lease.Terms);
        Log.LeaseLost(logger, lease.Name, lease.FencingToken, loss.ToString(), lease.Holder, cause, advice);
        background.Add(ObserveAsync(lease.Name, callbacks));
    }

    /// <summary>An operator has ended a lease. That is rare, so it is found without an index by id.</summary>
    public void Break(string leaseId)
    {
        HeldLease? lease;
        lock (_gate)
        {
            lease = _byName.Values.Select(newest => First(newest, one => one.Id == leaseId)).FirstOrDefault(one => one is not null);
        }

        BreakIfHeld(lease);
    }

    /// <summary>An operator has ended a lease through this very process, which need not wait for the notification of the store.</summary>
    public void Break(string name, long fencingToken)
    {
        HeldLease? lease;
        lock (_gate)
        {
            lease = First(_byName.GetValueOrDefault(name), one => one.FencingToken == fencingToken);
        }

        BreakIfHeld(lease);
    }

    /// <returns>True if the lease was held until now.</returns>
    public bool Release(HeldLease lease)
    {
        IsLost(lease);
        bool held = lease.Release();
        if (held)
        {
            metrics.LeaseReleased(lease.Template, lease.Holder.Scheduler, lease.IsCounted, lease.HeldFor);
        }

        Remove(lease);
        return held;
    }

    /// <summary>
    /// What the store would answer, where that is certain: while this process holds as many leases of a lock as its limit allows,
    /// all before their deadlines, the lock is taken. Null if the store has to be asked.
    /// </summary>
    public AcquireResult? Contention(string name, int limit)
    {
        lock (_gate)
        {
            return _byName.TryGetValue(name, out HeldLease? newest) ? Contention(newest, limit) : null;
        }
    }

    private AcquireResult? Contention(HeldLease newest, int limit)
    {
        long now = time.GetTimestamp();
        int count = 0;
        HeldLease? first = null;
        for (HeldLease? lease = newest; lease is not null; lease = lease.Older)
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

    private static List<LockHolder?> OtherHolders(HeldLease newest, HeldLease first, long now)
    {
        List<LockHolder?> others = [];
        for (HeldLease? lease = newest; lease is not null; lease = lease.Older)
        {
            if (lease != first && lease.IsHeldAt(now))
            {
                others.Add(lease.Holder);
            }
        }

        return others;
    }

    private static HeldLease? First(HeldLease? lease, Func<HeldLease, bool> isWanted)
    {
        while (lease is not null && !isWanted(lease))
        {
            lease = lease.Older;
        }

        return lease;
    }

    private void BreakIfHeld(HeldLease? lease)
    {
        if (lease is not null)
        {
            Lose(lease, LeaseLoss.Broken);
        }
    }

    private void Remove(HeldLease lease)
    {
        lock (_gate)
        {
            if (!lease.IsListed)
            {
                return;
            }

            lease.IsListed = false;
            _due.Remove(lease);
            RemoveFromName(lease);
            if (_byName.Count > 0)
            {
                return;
            }
        }

        Emptied?.Invoke();
    }

    private void RemoveFromName(HeldLease lease)
    {
        HeldLease newer = _byName[lease.Name];
        if (newer == lease)
        {
            if (lease.Older is { } older)
            {
                _byName[lease.Name] = older;
            }
            else
            {
                _byName.Remove(lease.Name);
            }
        }
        else
        {
            while (newer.Older != lease)
            {
                newer = newer.Older!;
            }

            newer.Older = lease.Older;
        }

        lease.Older = null;
    }

    private async Task ObserveAsync(string name, Task callbacks)
    {
        try
        {
            await callbacks.ConfigureAwait(false);
        }
        catch (AggregateException e)
        {
            Log.LostCallbackFailed(logger, e, name);
        }
    }
}
