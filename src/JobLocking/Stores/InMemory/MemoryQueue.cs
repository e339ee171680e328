namespace JobLocking.Stores.InMemory;

/// <summary>A waiter in the queue, and the process that is notified when it is woken.</summary>
internal sealed record QueuedWaiter(
    string Id, MemoryProcess Process, LockHolder Description, int Limit, long Since, long Arrival, long LapsesAt);

/// <summary>The last wake-up: of which waiter, at which time, and how many in a row before it were not accepted.</summary>
internal sealed record LastWakeUp(string Id, long At, int NotAccepted);

/// <summary>The waiting queue of one lock, oldest first. The cost of a step grows with the logarithm of its length.</summary>
internal sealed class MemoryQueue(MemoryClock clock)
{
    // As in Redis: a queue that no process empties must not grow without end, and no newcomer overtakes those that have waited.
    private const int Capacity = 100_000;

    private const int CapacityForReturningWaiters = 110_000;

    private static readonly Comparer<QueuedWaiter> OldestFirst = Comparer<QueuedWaiter>.Create(static (a, b) =>
    {
        int bySince = a.Since.CompareTo(b.Since);
        return bySince != 0 ? bySince : a.Arrival.CompareTo(b.Arrival);
    });

    private readonly Dictionary<string, QueuedWaiter> _byId = new(StringComparer.Ordinal);
    private readonly SortedSet<QueuedWaiter> _waiters = new(OldestFirst);
    private long _arrivals;

    public bool IsEmpty => _waiters.Count == 0;

    public IEnumerable<QueuedWaiter> Waiting => _waiters.Where(one => !clock.HasPassed(one.LapsesAt));

    /// <summary>The last wake-up, while others wait and none has left the queue since.</summary>
    public LastWakeUp? Woken { get; private set; }

    /// <summary>Puts a waiter into the queue: at its old position, if it has or had one.</summary>
    /// <returns>Since when it is in the queue; 0 if the queue is full.</returns>
    public long Enqueue(WaiterEntry entry, MemoryProcess process, LockHolder description, int limit, bool hasWaited = false)
    {
        QueuedWaiter? before = _byId.GetValueOrDefault(entry.Id);
        if (before is null && !HasRoom(hasWaited || entry.Since > 0 ? CapacityForReturningWaiters : Capacity))
        {
            return 0;
        }

        long old = before?.Since ?? entry.Since;
        long since = old > 0 ? old : Math.Max(clock.Microseconds, (_waiters.Max?.Since ?? 0) + 1);
        if (before is not null)
        {
            _waiters.Remove(before);
        }

        QueuedWaiter waiter = new(entry.Id, process, description, limit, since, ++_arrivals, clock.After(entry.LapsesAfter));
        _byId[entry.Id] = waiter;
        _waiters.Add(waiter);
        return since;
    }

    /// <summary>
    /// Makes sure that a waiter is in the queue. The entry of another process for the same waiter stays: it waits there now. A waiter
    /// whose entry lapses at once is not put into the queue.
    /// </summary>
    public long Restore(WaiterEntry entry, MemoryProcess process, LockHolder description, int limit)
    {
        QueuedWaiter? waiter = Living(entry.Id);
        return entry.LapsesAfter <= TimeSpan.Zero || (waiter is not null && waiter.Process != process)
            ? waiter?.Since ?? 0
            : Enqueue(entry, process, description, limit, hasWaited: true);
    }

    /// <summary>Takes a waiter out of the queue, unless another process has put it there.</summary>
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
            if (_byId.Remove(id, out QueuedWaiter? waiter))
            {
                _waiters.Remove(waiter);
            }
        }
    }

    /// <summary>Remembers a wake-up, if others wait.</summary>
    public void Woke(string id, long at, int notAccepted) => Woken = IsEmpty ? null : new LastWakeUp(id, at, notAccepted);

    /// <summary>The last wake-up was accepted, or came too late.</summary>
    public void ForgetWoken() => Woken = null;

    /// <summary>The oldest waiter whose entry has not lapsed.</summary>
    public QueuedWaiter? Oldest()
    {
        while (_waiters.Min is { } first)
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
        if (_waiters.Count >= capacity)
        {
            Oldest();
        }

        return _waiters.Count < capacity;
    }

    private QueuedWaiter? Living(string id) =>
        _byId.GetValueOrDefault(id) is { } waiter && !clock.HasPassed(waiter.LapsesAt) ? waiter : null;
}
