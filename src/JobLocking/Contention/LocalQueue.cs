using JobLocking.Engine;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Contention;

/// <summary>
/// The executions of this process that wait for locks, in place or deferred. The store says whose turn it is; for turns that
/// got lost, and holders that died, this looks at each lock from time to time (LocalQueue.Looks.cs). What was woken and does not
/// ask is followed up (LocalQueue.WakeUps.cs).
/// </summary>
internal sealed partial class LocalQueue(ILockStore store, StoreGate gate, BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger) : IDisposable
{
    /// <summary>Who waits without an end: a process that has died is forgotten after so long.</summary>
    public static readonly TimeSpan LongestPatience = TimeSpan.FromMinutes(10);

    /// <summary>A scheduler looks for what is due every few seconds, or every few minutes; until then a turn still saves time.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    private static readonly Comparer<Place> OldestFirst = Comparer<Place>.Create(static (a, b) =>
    {
        // What the store does not know comes last.
        int bySince = ((ulong)(a.Since - 1)).CompareTo((ulong)(b.Since - 1));
        return bySince != 0 ? bySince : a.Arrival.CompareTo(b.Arrival);
    });

    private static readonly Comparer<Place> CareFirst = Comparer<Place>.Create(static (a, b) =>
    {
        int byCare = a.CareAt.CompareTo(b.CareAt);
        return byCare != 0 ? byCare : a.Arrival.CompareTo(b.Arrival);
    });

    private readonly CancellationTokenSource _stopped = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Place> _byId = new(StringComparer.Ordinal);
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

        public SortedSet<Place> Places { get; } = new(CareFirst);

        /// <summary>Those that wait. The oldest of each group looks for all of it.</summary>
        public Dictionary<(int Limit, LockOccurrence? Runs), SortedSet<Place>> Waiting { get; } = [];

        /// <summary>Those that the next looks make sure of: they have no place in the store, may have lost it, or it lapses soon.</summary>
        public SortedSet<Place> Unsure { get; } = new(OldestFirst);

        public ITimer? Timer { get; set; }

        public long LookAt { get; set; } = long.MaxValue;

        public bool IsLooking { get; set; }

        /// <summary>The store may have lost its places: all are made sure of with the next looks.</summary>
        public bool IsInDoubt { get; set; }
    }

    /// <summary>Before the store is asked: its turn may come before its answer. Who has been here before under the same id has come back.</summary>
    public void Enter(Place place)
    {
        lock (_gate)
        {
            Answered(place.Wanted.Name, place.Id);
            if (_byId.TryGetValue(place.Id, out Place? before))
            {
                Remove(before);
                if (before.Waiter is not null)
                {
                    // Not come back, but delivered a second time: the first asks again, for a place of its own.
                    Rename(before);
                    Call(before);
                }
            }

            place.Arrival = ++_arrivals;
            _byId.Add(place.Id, place);
        }
    }

    /// <summary>The store has refused the lock.</summary>
    public void Refused(Place place, AcquireResult result)
    {
        lock (_gate)
        {
            if (!_byId.TryAdd(place.Id, place) && !IsHere(place))
            {
                // Delivered a second time while it asked.
                Rename(place);
            }

            place.LapsesAt = Deadline.Add(time, time.GetTimestamp(), place.Patience);
            place.IsParked = result.ParkedSince > 0;
            place.StandsBy = result.Outcome == AcquireOutcome.OccurrenceRunning;
            LookWithin(LineUp(place, result.ParkedSince), result.TimeLeft);
        }
    }

    /// <summary>The store has not answered, and whoever asked may never say what became of the execution: the place lapses like any other.</summary>
    /// <param name="place">Its place.</param>
    /// <param name="mayHold">A lease may have been granted that is not used.</param>
    public void Unanswered(Place place, bool mayHold = false)
    {
        lock (_gate)
        {
            if (mayHold && place.Spends is not null)
            {
                bool isHere = IsHere(place) && _byId.Remove(place.Id);
                place.SpendAnother();
                if (isHere)
                {
                    _byId.Add(place.Id, place);
                }
            }

            if (IsHere(place))
            {
                place.LapsesAt = Deadline.Add(time, time.GetTimestamp(), place.Patience);
                LookWithin(LineUp(place, place.Since), timeLeft: null);
            }
        }
    }

    /// <summary>The services were disposed of: there is no store any more to be asked.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>Waits in place for the turn.</summary>
    /// <returns>False if it did not come in time; it may still be found, by whoever leaves the place or has it deferred.</returns>
    public async ValueTask<bool> TurnAsync(Place place, TimeSpan timeout, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        TaskCompletionSource waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (place.HasTurn)
            {
                place.HasTurn = false;
                return true;
            }

            place.Waiter = waiter;
            Regroup(place);
        }

        try
        {
            using CancellationTokenRegistration end = endOfWait.UnsafeRegister(static w => ((TaskCompletionSource)w!).TrySetResult(), waiter);
            await waiter.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }

        lock (_gate)
        {
            place.Waiter = null;
            Regroup(place);
            if (endOfWait.IsCancellationRequested)
            {
                return false;
            }

            bool has = place.HasTurn;
            place.HasTurn = false;
            return has;
        }
    }

    /// <summary>A deferral is stored, and is to be woken when its turn comes, or has come meanwhile; after the delay it comes back by itself.</summary>
    public void Deferred(Place place, TimeSpan delay, Func<ValueTask<bool>> wake)
    {
        lock (_gate)
        {
            place.DueAt = Deadline.Add(time, time.GetTimestamp(), delay);
            place.Wake = wake;
            place.LapsesAt = Deadline.Add(time, time.GetTimestamp(), delay + Grace);
            if (!place.HasTurn)
            {
                if (_byId.TryGetValue(place.Id, out Place? other) && other != place)
                {
                    // It has come back before this was said, and is asking by itself.
                    return;
                }

                _byId[place.Id] = place;
                LookWithin(LineUp(place, place.Since), timeLeft: null);
                return;
            }

            place.HasTurn = false;
            Remove(place);
        }

        Start(place, wake);
    }

    /// <summary>The execution has its lock: the store has taken it out of its queue.</summary>
    public void Served(Place place)
    {
        lock (_gate)
        {
            Remove(place);
        }
    }

    /// <summary>The execution does not want the lock any more; if it was its turn, it is the next one's.</summary>
    public void Leave(Place place)
    {
        Served(place);
        PassOn(place.Wanted.Name, place.Wanted.Terms.Limit, place.Id);
    }

    /// <summary>The execution waits for the runner of its occurrence, not for the lock: if it had a turn, and the lock has room, it is the next one's.</summary>
    public void StandsBy(Place place)
    {
        if (!place.IsParked)
        {
            PassOn(place.Wanted.Name, place.Wanted.Terms.Limit);
        }
    }

    public void OnTurn(LockNotice.Turn turn)
    {
        if (turn.After > TimeSpan.Zero)
        {
            _ = GiveLaterAsync(turn);
        }
        else
        {
            Give(turn.ParkingId, turn.Name, limit: 1);
        }
    }

    /// <summary>The process ends: what is deferred comes back by itself, or elsewhere. Who still waits in place has a caller who decides.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            foreach (Place place in _byId.Values.Where(p => p.Wake is not null).ToList())
            {
                Remove(place);
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

    private void Give(string parkingId, string name, int limit)
    {
        Place? place;
        Func<ValueTask<bool>>? wake = null;
        lock (_gate)
        {
            if (_byId.TryGetValue(parkingId, out place))
            {
                wake = place.Wake;
                if (wake is null)
                {
                    place.HasTurn = true;
                    Regroup(place);
                    place.Waiter?.TrySetResult();
                    return;
                }

                Remove(place);
            }
        }

        if (wake is null)
        {
            PassOn(name, limit);
        }
        else
        {
            Start(place!, wake);
        }
    }

    private async Task GiveLaterAsync(LockNotice.Turn turn)
    {
        await Task.Delay(turn.After, time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Give(turn.ParkingId, turn.Name, limit: 1);
    }

    private void Start(Place place, Func<ValueTask<bool>> wake) => InBackground(async () =>
    {
        bool started = false;
        WakeUp wakeUp = Wakes(place);
        try
        {
            started = await wake().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever the scheduler threw, the next in the queue must not wait until it works again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.WakeFailed(logger, e, place.Wanted.Holder.Job, place.Wanted.Holder.Execution, place.Wanted.Name);
            TryLater(place);
        }

        if (started)
        {
            Log.Woken(logger, place.Wanted.Holder.Job, place.Wanted.Holder.Execution, place.Wanted.Name);
            Started(wakeUp);
        }
        else
        {
            NotStarted(wakeUp);

            // Not by its id: the execution may have come back by itself, and have been parked anew.
            PassOn(place.Wanted.Name, place.Wanted.Terms.Limit);
        }
    });

    /// <summary>The deferral is still stored, for all that is known: the next look may wake it.</summary>
    private void TryLater(Place place)
    {
        lock (_gate)
        {
            if (_byId.TryAdd(place.Id, place))
            {
                place.IsParked = false;
                LookWithin(LineUp(place, place.Since), timeLeft: null);
            }
        }
    }

    /// <param name="name">The lock.</param>
    /// <param name="limit">As far as it is known.</param>
    /// <param name="parkingId">Who leaves the queue; null for nobody.</param>
    private void PassOn(string name, int limit, string? parkingId = null) =>
        Release(new ReleaseRequest(name, LeaseId: null, Limit: limit, ParkingId: parkingId));

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
            Log.TurnNotPassedOn(logger, e, request.Name);
        }
    });

    private void Rename(Place place)
    {
        place.Rename();
        _byId.Add(place.Id, place);
    }

    private bool IsHere(Place place) => _byId.GetValueOrDefault(place.Id) == place;

    private Line LineUp(Place place, long since)
    {
        if (!_byLock.TryGetValue(place.Wanted.Name, out Line? line))
        {
            _byLock.Add(place.Wanted.Name, line = new Line(place.Wanted.Name));
        }

        TakeOut(line, place);
        place.Since = since > 0 ? since : place.Since;
        place.CareAt = place.Wake is null ? Deadline.Add(time, place.LapsesAt, -place.Patience / 2) : place.LapsesAt;
        place.IsListed = line.Places.Add(place);
        if (!place.IsParked && !place.StandsBy)
        {
            line.Unsure.Add(place);
        }

        Regroup(place);
        metrics.Parked(place);
        return line;
    }

    /// <summary>Whenever it has begun or ended to wait.</summary>
    private void Regroup(Place place)
    {
        (int, LockOccurrence?)? group = !place.IsListed || place.HasTurn || (place.Wake is null && place.Waiter is null)
            ? null
            : (place.Wanted.Terms.Limit, place.StandsBy ? place.Wanted.Occurrence : null);
        if (group == place.Group || !_byLock.TryGetValue(place.Wanted.Name, out Line? line))
        {
            return;
        }

        if (place.Group is { } old && line.Waiting.TryGetValue(old, out SortedSet<Place>? before))
        {
            before.Remove(place);
            if (before.Count == 0)
            {
                line.Waiting.Remove(old);
            }
        }

        place.Group = group;
        if (group is { } now)
        {
            if (!line.Waiting.TryGetValue(now, out SortedSet<Place>? among))
            {
                line.Waiting.Add(now, among = new SortedSet<Place>(OldestFirst));
            }

            among.Add(place);
        }
    }

    /// <summary>Before anything changes by which places are sorted.</summary>
    private void TakeOut(Line line, Place place)
    {
        if (place.IsListed)
        {
            line.Places.Remove(place);
            line.Unsure.Remove(place);
            place.IsListed = false;
            Regroup(place);
        }
    }

    private void Remove(Place place)
    {
        if (!IsHere(place))
        {
            return;
        }

        _byId.Remove(place.Id);
        metrics.ParkedNoMore(place);
        if (place.IsListed && _byLock.TryGetValue(place.Wanted.Name, out Line? line))
        {
            TakeOut(line, place);
            if (line.Places.Count == 0)
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
