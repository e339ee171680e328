namespace JobLocking.Stores.InMemory;

/// <summary>
/// The locks in memory, handled as a server would: one step at a time, and processes are notified when a step is done.
/// </summary>
internal sealed class MemoryLocks(TimeProvider time)
{
    private static readonly TimeSpan TidyEvery = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, MemoryLock> _locks = new(StringComparer.Ordinal);
    private List<(MemoryProcess Process, LockNotification Notification)> _notifications = [];
    private long _lastToken;
    private long _tidyAt;

    public MemoryClock Clock { get; } = new(time);

    /// <summary>Does something with one lock as one atomic step.</summary>
    public T Step<T>(string name, Func<MemoryLock, T> step)
    {
        T result;
        List<(MemoryProcess Process, LockNotification Notification)> notifications = [];
        lock (_gate)
        {
            Tidy();
            if (!_locks.TryGetValue(name, out MemoryLock? one))
            {
                _locks[name] = one = new MemoryLock(name, this);
            }

            one.Expire();
            result = step(one);
            if (one.IsIdle)
            {
                _locks.Remove(name);
            }

            if (_notifications.Count > 0)
            {
                (notifications, _notifications) = (_notifications, notifications);
            }
        }

        // Not under the gate: a notified process may call the store at once.
        foreach ((MemoryProcess process, LockNotification notification) in notifications)
        {
            process.Tell(notification);
        }

        return result;
    }

    public void Step(string name, Action<MemoryLock> step) => Step(name, one =>
    {
        step(one);
        return true;
    });

    public List<HeldLock> List(string? prefix)
    {
        lock (_gate)
        {
            List<HeldLock> held = [];
            foreach ((string name, MemoryLock one) in _locks)
            {
                if (prefix is null || name.StartsWith(prefix, StringComparison.Ordinal))
                {
                    one.Expire();
                    held.AddRange(one.List());
                }
            }

            return held;
        }
    }

    /// <summary>Within a step: notifies a process when the step is done.</summary>
    public void Tell(MemoryProcess process, LockNotification notification) => _notifications.Add((process, notification));

    /// <summary>
    /// Within a step: the fencing token of a new lease, by the clock as in Redis, so that tokens grow from one run of the process to the
    /// next.
    /// </summary>
    public long Mint() => _lastToken = Math.Max(_lastToken + 1, Clock.Microseconds);

    // Locks named after a piece of work (an invoice, a customer) are not acquired again.
    private void Tidy()
    {
        if (!Clock.HasPassed(_tidyAt))
        {
            return;
        }

        foreach ((string name, MemoryLock one) in _locks)
        {
            one.Tidy();
            if (one.IsIdle)
            {
                _locks.Remove(name);
            }
        }

        _tidyAt = Clock.After(TidyEvery);
    }
}
