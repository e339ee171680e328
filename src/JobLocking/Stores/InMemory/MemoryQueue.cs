namespace JobLocking.Stores.InMemory;

/// <summary>An execution that waits for a lock, and the process to be told when it is its turn.</summary>
internal sealed record Parked(string Id, MemoryProcess Process, LockHolder Waiter, int Limit, long Since, long Arrival, long LapsesAt);

/// <summary>The last wake-up: of which execution, when it had it, and how many in a row before it were not accepted.</summary>
internal sealed record WakeUp(string Id, long At, int Late);

/// <summary>The queue of one lock, oldest first. No step grows with the number of those in it by more than its logarithm.</summary>
internal sealed class MemoryQueue(MemoryClock clock)
{
    // As in Redis: a queue that no process works off must not grow without end, and no newcomer passes those that have waited.
    private const int Capacity = 100_000;

    private const int CapacityForThoseThatHaveWaited = 110_000;

    private static readonly Comparer<Parked> OldestFirst = Comparer<Parked>.Create(static (a, b) =>
    {
        int bySince = a.Since.CompareTo(b.Since);
        return bySince != 0 ? bySince : a.Arrival.CompareTo(b.Arrival);
    });

    private readonly Dictionary<string, Parked> _byId = new(StringComparer.Ordinal);
    private readonly SortedSet<Parked> _parked = new(OldestFirst);
    private long _arrivals;

    public bool IsEmpty => _parked.Count == 0;

    public IEnumerable<Parked> Waiting => _parked.Where(one => !clock.HasPassed(one.LapsesAt));

    /// <summary>The last wake-up, while others wait and none has left the queue since.</summary>
    public WakeUp? Woken { get; private set; }

    /// <summary>Gives a place, the old one to who has or had one.</summary>
    /// <returns>Since when it is parked; 0 if the queue is full.</returns>
    public long Park(WaiterEntry entry, MemoryProcess process, LockHolder waiter, int limit, bool hasWaited = false)
    {
        Parked? before = _byId.GetValueOrDefault(entry.Id);
        if (before is null && !HasRoom(hasWaited || entry.Since > 0 ? CapacityForThoseThatHaveWaited : Capacity))
        {
            return 0;
        }

        long old = before?.Since ?? entry.Since;
        long since = old > 0 ? old : Math.Max(clock.Microseconds, (_parked.Max?.Since ?? 0) + 1);
        if (before is not null)
        {
            _parked.Remove(before);
        }

        Parked parked = new(entry.Id, process, waiter, limit, since, ++_arrivals, clock.After(entry.Patience));
        _byId[entry.Id] = parked;
        _parked.Add(parked);
        return since;
    }

    /// <summary>
    /// Makes sure of a place. One that another process has taken for the same execution stands: that is where it waits now.
    /// Who has no patience gets none that it does not have.
    /// </summary>
    public long Keep(WaiterEntry entry, MemoryProcess process, LockHolder waiter, int limit)
    {
        Parked? parked = Living(entry.Id);
        return entry.Patience <= TimeSpan.Zero || (parked is not null && parked.Process != process)
            ? parked?.Since ?? 0
            : Park(entry, process, waiter, limit, hasWaited: true);
    }

    /// <summary>Gives a place up, unless another process has taken it for the same execution.</summary>
    public void Leave(string id, MemoryProcess process)
    {
        if (IsOf(process, id))
        {
            Forget(id);
        }
    }

    public void Forget(string? id)
    {
        if (id is not null)
        {
            Woken = null;
            if (_byId.Remove(id, out Parked? parked))
            {
                _parked.Remove(parked);
            }
        }
    }

    /// <summary>Remembers a wake-up, if others wait.</summary>
    public void Woke(string id, long at, int late) => Woken = IsEmpty ? null : new WakeUp(id, at, late);

    /// <summary>The last wake-up was accepted, or came too late.</summary>
    public void ForgetWoken() => Woken = null;

    /// <summary>Who is the next, unless their patience has ended.</summary>
    public Parked? Oldest()
    {
        while (_parked.Min is { } first)
        {
            if (!clock.HasPassed(first.LapsesAt))
            {
                return first;
            }

            Forget(first.Id);
        }

        return null;
    }

    public bool Has(string id) => Living(id) is not null;

    public bool IsOf(MemoryProcess process, string id) => Living(id)?.Process == process;

    private bool HasRoom(int capacity)
    {
        if (_parked.Count >= capacity)
        {
            Oldest();
        }

        return _parked.Count < capacity;
    }

    private Parked? Living(string id) => _byId.GetValueOrDefault(id) is { } parked && !clock.HasPassed(parked.LapsesAt) ? parked : null;
}
