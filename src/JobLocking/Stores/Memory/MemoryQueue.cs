namespace JobLocking.Stores.Memory;

/// <summary>An execution that waits for a lock, and the process to be told when it is its turn.</summary>
internal sealed record Parked(string Id, MemoryProcess Process, LockHolder Waiter, int Limit, long Since, long LapsesAt);

/// <summary>The queue of one lock, oldest first.</summary>
internal sealed class MemoryQueue(MemoryClock clock)
{
    // As in Redis: a queue that nobody works off must not grow without end.
    private const int Capacity = 10_000;

    private readonly List<Parked> _parked = [];

    public bool IsEmpty => _parked.Count == 0;

    public IEnumerable<Parked> Waiting => _parked.Where(one => !clock.HasPassed(one.LapsesAt));

    /// <summary>Gives a place, the old one to who has or had one.</summary>
    /// <returns>Since when it is parked; 0 if the queue is full.</returns>
    public long Park(Parking parking, MemoryProcess process, LockHolder waiter, int limit)
    {
        long old = Find(parking.Id)?.Since ?? parking.Since;
        Forget(parking.Id);
        if (_parked.Count >= Capacity && _parked.RemoveAll(one => clock.HasPassed(one.LapsesAt)) == 0)
        {
            return 0;
        }

        long last = IsEmpty ? 0 : _parked[^1].Since;
        long since = old > 0 ? old : Math.Max(clock.Microseconds, last + 1);
        int place = _parked.FindLastIndex(one => one.Since <= since) + 1;
        _parked.Insert(place, new Parked(parking.Id, process, waiter, limit, since, clock.After(parking.Patience)));
        return since;
    }

    /// <summary>
    /// Makes sure of a place. One that another process has taken for the same execution stands: that is where it waits now.
    /// Who has no patience gets none that it does not have.
    /// </summary>
    public long Keep(Parking parking, MemoryProcess process, LockHolder waiter, int limit)
    {
        Parked? parked = Living(parking.Id);
        return parking.Patience <= TimeSpan.Zero || (parked is not null && parked.Process != process)
            ? parked?.Since ?? 0
            : Park(parking, process, waiter, limit);
    }

    /// <summary>Gives a place up, unless another process has taken it for the same execution.</summary>
    public void Leave(string id, MemoryProcess process)
    {
        if (Living(id)?.Process == process)
        {
            Forget(id);
        }
    }

    public void Forget(string? id)
    {
        int place = _parked.FindIndex(one => one.Id == id);
        if (place >= 0)
        {
            _parked.RemoveAt(place);
        }
    }

    /// <summary>Who is the next, unless their patience has ended.</summary>
    public Parked? Oldest()
    {
        int first = _parked.FindIndex(one => !clock.HasPassed(one.LapsesAt));
        _parked.RemoveRange(0, first < 0 ? _parked.Count : first);
        return IsEmpty ? null : _parked[0];
    }

    public bool Has(string id) => Living(id) is not null;

    private Parked? Living(string id) => Find(id) is { } parked && !clock.HasPassed(parked.LapsesAt) ? parked : null;

    private Parked? Find(string id) => _parked.Find(one => one.Id == id);
}
