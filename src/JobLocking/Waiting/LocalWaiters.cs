using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// The executions of this process that wait for locks, in place or deferred. The store says whose turn it is; for turns that
/// got lost, and holders that died, this looks at each lock from time to time (LocalWaiters.Looks.cs). What was woken and does not
/// ask is followed up (LocalWaiters.WakeUps.cs).
/// </summary>
internal sealed partial class LocalWaiters(ILockStore store, StoreGate gate, BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger) : IDisposable
{
    /// <summary>Who waits without an end: a process that has died is forgotten after so long.</summary>
    public static readonly TimeSpan LongestPatience = TimeSpan.FromMinutes(10);

    /// <summary>A scheduler looks for what is due every few seconds, or every few minutes; until then a turn still saves time.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    private static readonly Comparer<Waiter> OldestFirst = Comparer<Waiter>.Create(static (a, b) =>
    {
        // What the store does not know comes last.
        int bySince = ((ulong)(a.Since - 1)).CompareTo((ulong)(b.Since - 1));
        return bySince != 0 ? bySince : a.Arrival.CompareTo(b.Arrival);
    });

    private static readonly Comparer<Waiter> CareFirst = Comparer<Waiter>.Create(static (a, b) =>
    {
        int byCare = a.CareAt.CompareTo(b.CareAt);
        return byCare != 0 ? byCare : a.Arrival.CompareTo(b.Arrival);
    });

    private readonly CancellationTokenSource _stopped = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Waiter> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Line> _byLock = new(StringComparer.Ordinal);
    private long _arrivals;
    private bool _disposed;

    /// <summary>
    /// The places of one lock, and when to look at it. A lock may have many: no step goes through all of them, but where the
    /// store may have lost them.
    /// </summary>
    private sealed class Line(string name)
    {
        public string Name { get; } = name;

        public SortedSet<Waiter> Waiters { get; } = new(CareFirst);

        /// <summary>Those that wait. The oldest of each group looks for all of it.</summary>
        public Dictionary<(int Limit, LockOccurrence? Runs), SortedSet<Waiter>> Waiting { get; } = [];

        /// <summary>Those that the next looks make sure of: they have no place in the store, may have lost it, or it lapses soon.</summary>
        public SortedSet<Waiter> Unsure { get; } = new(OldestFirst);

        public ITimer? Timer { get; set; }

        public long PollAt { get; set; } = long.MaxValue;

        public bool IsPolling { get; set; }

        /// <summary>The store may have lost its places: all are made sure of with the next looks.</summary>
        public bool IsInDoubt { get; set; }
    }

    /// <summary>Before the store is asked: its turn may come before its answer. Who has been here before under the same id has come back.</summary>
    public void Enter(Waiter waiter)
    {
        lock (_gate)
        {
            Answered(waiter.Wanted.Name, waiter.Id);
            if (_byId.TryGetValue(waiter.Id, out Waiter? before))
            {
                Remove(before);
                if (before.Signal is not null)
                {
                    // Not come back, but delivered a second time: the first asks again, for a place of its own.
                    Rename(before);
                    Call(before);
                }
            }

            waiter.Arrival = ++_arrivals;
            _byId.Add(waiter.Id, waiter);
        }
    }

    /// <summary>The store has refused the lock.</summary>
    public void Refused(Waiter waiter, AcquireResult result)
    {
        lock (_gate)
        {
            if (!_byId.TryAdd(waiter.Id, waiter) && !IsHere(waiter))
            {
                // Delivered a second time while it asked.
                Rename(waiter);
            }

            waiter.LapsesAt = Deadline.Add(time, time.GetTimestamp(), waiter.Patience);
            waiter.IsQueued = result.QueuedSince > 0;
            waiter.StandsBy = result.Outcome == AcquireOutcome.OccurrenceRunning;
            PollWithin(LineUp(waiter, result.QueuedSince), result.TimeLeft);
        }
    }

    /// <summary>The store has not answered, and whoever asked may never say what became of the execution: the place lapses like any other.</summary>
    /// <param name="waiter">Its place.</param>
    /// <param name="mayHold">A lease may have been granted that is not used.</param>
    public void Unanswered(Waiter waiter, bool mayHold = false)
    {
        lock (_gate)
        {
            if (mayHold && waiter.Spends is not null)
            {
                bool isHere = IsHere(waiter) && _byId.Remove(waiter.Id);
                waiter.SpendAnother();
                if (isHere)
                {
                    _byId.Add(waiter.Id, waiter);
                }
            }

            if (IsHere(waiter))
            {
                waiter.LapsesAt = Deadline.Add(time, time.GetTimestamp(), waiter.Patience);
                PollWithin(LineUp(waiter, waiter.Since), timeLeft: null);
            }
        }
    }

    /// <summary>The services were disposed of: there is no store any more to be asked.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>Waits in place for the turn.</summary>
    /// <returns>False if it did not come in time; it may still be found, by whoever leaves the place or has it deferred.</returns>
    public async ValueTask<bool> WakeUpAsync(Waiter waiter, TimeSpan timeout, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        TaskCompletionSource signal = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (waiter.IsWoken)
            {
                waiter.IsWoken = false;
                return true;
            }

            waiter.Signal = signal;
            Regroup(waiter);
        }

        try
        {
            using CancellationTokenRegistration end = endOfWait.UnsafeRegister(static w => ((TaskCompletionSource)w!).TrySetResult(), signal);
            await signal.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }

        lock (_gate)
        {
            waiter.Signal = null;
            Regroup(waiter);
            if (endOfWait.IsCancellationRequested)
            {
                return false;
            }

            bool has = waiter.IsWoken;
            waiter.IsWoken = false;
            return has;
        }
    }

    /// <summary>A deferral is stored, and is to be woken when its turn comes, or has come meanwhile; after the delay it comes back by itself.</summary>
    public void Deferred(Waiter waiter, TimeSpan delay, Func<ValueTask<bool>> wake)
    {
        lock (_gate)
        {
            waiter.DueAt = Deadline.Add(time, time.GetTimestamp(), delay);
            waiter.Wake = wake;
            waiter.LapsesAt = Deadline.Add(time, time.GetTimestamp(), delay + Grace);
            if (!waiter.IsWoken)
            {
                if (_byId.TryGetValue(waiter.Id, out Waiter? other) && other != waiter)
                {
                    // It has come back before this was said, and is asking by itself.
                    return;
                }

                _byId[waiter.Id] = waiter;
                PollWithin(LineUp(waiter, waiter.Since), timeLeft: null);
                return;
            }

            waiter.IsWoken = false;
            Remove(waiter);
        }

        Start(waiter, wake);
    }

    /// <summary>The execution has its lock: the store has taken it out of its queue.</summary>
    public void Served(Waiter waiter)
    {
        lock (_gate)
        {
            Remove(waiter);
        }
    }

    /// <summary>The execution does not want the lock any more; if it was its turn, it is the next one's.</summary>
    public void Leave(Waiter waiter)
    {
        Served(waiter);
        PassOn(waiter.Wanted.Name, waiter.Wanted.Terms.Limit, waiter.Id);
    }

    /// <summary>The execution waits for the runner of its occurrence, not for the lock: if it had a turn, and the lock has room, it is the next one's.</summary>
    public void StandsBy(Waiter waiter)
    {
        if (!waiter.IsQueued)
        {
            PassOn(waiter.Wanted.Name, waiter.Wanted.Terms.Limit);
        }
    }

    public void OnWakeUp(LockNotification.WakeUp turn)
    {
        if (turn.After > TimeSpan.Zero)
        {
            _ = GiveLaterAsync(turn);
        }
        else
        {
            Give(turn.WaiterId, turn.Name, limit: 1);
        }
    }

    /// <summary>The process ends: what is deferred comes back by itself, or elsewhere. Who still waits in place has a caller who decides.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            foreach (Waiter waiter in _byId.Values.Where(p => p.Wake is not null).ToList())
            {
                Remove(waiter);
            }
        }

        // Turns for later are passed on.
        _stopped.Cancel();
    }

    /// <summary>Whoever still waits in place is told to ask, and finds out that there is nobody any more to be asked.</summary>
    public void Dispose()
    {
        Stop();
        lock (_gate)
        {
            _disposed = true;
            foreach (Line line in _byLock.Values)
            {
                line.Timer?.Dispose();
                CallAll(line);
            }
        }
    }

    private void Give(string waiterId, string name, int limit)
    {
        Waiter? waiter;
        Func<ValueTask<bool>>? wake = null;
        lock (_gate)
        {
            if (_byId.TryGetValue(waiterId, out waiter))
            {
                wake = waiter.Wake;
                if (wake is null)
                {
                    waiter.IsWoken = true;
                    Regroup(waiter);
                    waiter.Signal?.TrySetResult();
                    return;
                }

                Remove(waiter);
            }
        }

        if (wake is null)
        {
            PassOn(name, limit);
        }
        else
        {
            Start(waiter!, wake);
        }
    }

    private async Task GiveLaterAsync(LockNotification.WakeUp turn)
    {
        await Task.Delay(turn.After, time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Give(turn.WaiterId, turn.Name, limit: 1);
    }

    private void Start(Waiter waiter, Func<ValueTask<bool>> wake) => InBackground(async () =>
    {
        bool started = false;
        WakeUp wakeUp = Wakes(waiter);
        try
        {
            started = await wake().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever the scheduler threw, the next in the queue must not wait until it works again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.WakeFailed(logger, e, waiter.Wanted.Holder.Job, waiter.Wanted.Holder.Execution, waiter.Wanted.Name);
            TryLater(waiter);
        }

        if (started)
        {
            Log.Woken(logger, waiter.Wanted.Holder.Job, waiter.Wanted.Holder.Execution, waiter.Wanted.Name);
            Started(wakeUp);
        }
        else
        {
            NotStarted(wakeUp);

            // Not by its id: the execution may have come back by itself, and have been parked anew.
            PassOn(waiter.Wanted.Name, waiter.Wanted.Terms.Limit);
        }
    });

    /// <summary>The deferral is still stored, for all that is known: the next look may wake it.</summary>
    private void TryLater(Waiter waiter)
    {
        lock (_gate)
        {
            if (_byId.TryAdd(waiter.Id, waiter))
            {
                waiter.IsQueued = false;
                PollWithin(LineUp(waiter, waiter.Since), timeLeft: null);
            }
        }
    }

    /// <param name="name">The lock.</param>
    /// <param name="limit">As far as it is known.</param>
    /// <param name="waiterId">Who leaves the queue; null for nobody.</param>
    private void PassOn(string name, int limit, string? waiterId = null) =>
        Release(new ReleaseRequest(name, LeaseId: null, Limit: limit, WaiterId: waiterId));

    private void Release(ReleaseRequest request) => InBackground(async () =>
    {
        try
        {
            await store.ReleaseAsync(request, CancellationToken.None).ConfigureAwait(false);
        }
        catch (LockStoreException e) when (e.Fault != LockStoreFault.Refused)
        {
            // The outage is in the log; a line for each execution that leaves would say no more.
        }
        catch (LockStoreException e)
        {
            Log.DeclineFailed(logger, e, request.Name);
        }
    });

    private void Rename(Waiter waiter)
    {
        waiter.Rename();
        _byId.Add(waiter.Id, waiter);
    }

    private bool IsHere(Waiter waiter) => _byId.GetValueOrDefault(waiter.Id) == waiter;

    private Line LineUp(Waiter waiter, long since)
    {
        if (!_byLock.TryGetValue(waiter.Wanted.Name, out Line? line))
        {
            _byLock.Add(waiter.Wanted.Name, line = new Line(waiter.Wanted.Name));
        }

        TakeOut(line, waiter);
        waiter.Since = since > 0 ? since : waiter.Since;
        waiter.CareAt = waiter.Wake is null ? Deadline.Add(time, waiter.LapsesAt, -waiter.Patience / 2) : waiter.LapsesAt;
        waiter.IsListed = line.Waiters.Add(waiter);
        if (!waiter.IsQueued && !waiter.StandsBy)
        {
            line.Unsure.Add(waiter);
        }

        Regroup(waiter);
        metrics.Queued(waiter);
        return line;
    }

    /// <summary>Whenever it has begun or ended to wait.</summary>
    private void Regroup(Waiter waiter)
    {
        (int, LockOccurrence?)? group = !waiter.IsListed || waiter.IsWoken || (waiter.Wake is null && waiter.Signal is null)
            ? null
            : (waiter.Wanted.Terms.Limit, waiter.StandsBy ? waiter.Wanted.Occurrence : null);
        if (group == waiter.Group || !_byLock.TryGetValue(waiter.Wanted.Name, out Line? line))
        {
            return;
        }

        if (waiter.Group is { } old && line.Waiting.TryGetValue(old, out SortedSet<Waiter>? before))
        {
            before.Remove(waiter);
            if (before.Count == 0)
            {
                line.Waiting.Remove(old);
            }
        }

        waiter.Group = group;
        if (group is { } now)
        {
            if (!line.Waiting.TryGetValue(now, out SortedSet<Waiter>? among))
            {
                line.Waiting.Add(now, among = new SortedSet<Waiter>(OldestFirst));
            }

            among.Add(waiter);
        }
    }

    /// <summary>Before anything changes by which places are sorted.</summary>
    private void TakeOut(Line line, Waiter waiter)
    {
        if (waiter.IsListed)
        {
            line.Waiters.Remove(waiter);
            line.Unsure.Remove(waiter);
            waiter.IsListed = false;
            Regroup(waiter);
        }
    }

    private void Remove(Waiter waiter)
    {
        if (!IsHere(waiter))
        {
            return;
        }

        _byId.Remove(waiter.Id);
        metrics.Dequeued(waiter);
        if (waiter.IsListed && _byLock.TryGetValue(waiter.Wanted.Name, out Line? line))
        {
            TakeOut(line, waiter);
            if (line.Waiters.Count == 0)
            {
                _byLock.Remove(line.Name);
                line.Timer?.Dispose();
            }
        }
    }

    private void InBackground(Func<Task> work)
    {
        using (ExecutionContext.SuppressFlow())
        {
            background.Add(Task.Run(work));
        }
    }
}
