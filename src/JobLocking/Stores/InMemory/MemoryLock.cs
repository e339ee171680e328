namespace JobLocking.Stores.InMemory;

/// <summary>One lock: its holders, its waiters, and what is known of its occurrences. Used by one thread at a time.</summary>
internal sealed class MemoryLock(string name, MemoryLocks locks)
{
    private const int MostOthers = 99;
    private const int MostWaitersListed = 1000;

    /// <summary>How many waiters one step passes over because their processes do not listen.</summary>
    private const int MostPassedOver = 100;

    /// <summary>After this many wake-ups in a row that were not accepted, the next one has more time.</summary>
    private const int MostNotAccepted = 3;

    /// <summary>How much time a waiter has to accept a wake-up.</summary>
    private static readonly TimeSpan TimeToAccept = TimeSpan.FromSeconds(1);

    /// <summary>The same after that many in a row: then no more waiters are woken than safety polls find.</summary>
    private static readonly TimeSpan LongTimeToAccept = TimeSpan.FromSeconds(5);

    private readonly MemoryClock _clock = locks.Clock;
    private readonly MemoryQueue _queue = new(locks.Clock);
    private readonly List<Held> _holders = [];
    private readonly Dictionary<LockOccurrence, Mark> _occurrences = [];

    private readonly Dictionary<string, Spent> _spent = new(StringComparer.Ordinal);

    // The lease id is null while the lock is kept after the run.
    private sealed record Held(string? LeaseId, MemoryProcess Process, LockHolder Holder, long Token, int Limit, long ExpiresAt);

    // The lease id is null once the run has ended.
    private sealed record Mark(string? LeaseId, OccurrenceOutcome Outcome, LockHolder Holder, long ExpiresAt);

    // A deferral, and the lease that was granted for it.
    private sealed record Spent(string LeaseId, long ExpiresAt);

    /// <summary>Whether nothing is left to be remembered.</summary>
    public bool IsIdle => _holders.Count == 0 && _queue.IsEmpty && _occurrences.Count == 0 && _spent.Count == 0;

    /// <summary>Ends the leases whose time has run out.</summary>
    public void Expire() => _holders.RemoveAll(held => _clock.HasPassed(held.ExpiresAt));

    /// <summary>Forgets what has lapsed.</summary>
    public void Tidy()
    {
        Expire();
        _queue.Oldest();
        foreach ((LockOccurrence occurrence, Mark mark) in _occurrences)
        {
            if (_clock.HasPassed(mark.ExpiresAt))
            {
                _occurrences.Remove(occurrence);
            }
        }

        foreach ((string deferral, Spent by) in _spent)
        {
            if (_clock.HasPassed(by.ExpiresAt))
            {
                _spent.Remove(deferral);
            }
        }
    }

    public AcquireResult Acquire(AcquireRequest request, MemoryProcess process)
    {
        if (request.Waiter?.Spends is { } wanted && _spent.GetValueOrDefault(wanted) is { } by
            && by.LeaseId != request.LeaseId && !_clock.HasPassed(by.ExpiresAt))
        {
            return new AcquireResult(AcquireOutcome.DeferralSpent);
        }

        if (Judge(request) is { } judged)
        {
            bool standsBy = judged.Outcome == AcquireOutcome.OccurrenceRunning && !HasRoomFor(request.Limit);
            return standsBy ? judged with { QueuedSince = Enqueue(request, process) } : judged;
        }

        Held? own = Find(request.LeaseId);
        if (own is null && !HasRoomFor(request.Limit))
        {
            return Contended() with { QueuedSince = Enqueue(request, process), HolderIsGone = FindsGone(request, process) };
        }

        Held held = new(request.LeaseId, process, request.Holder, own?.Token ?? locks.Mint(), request.Limit, _clock.After(request.Expiry));
        Replace(own, held);
        if (request.Occurrence is { } running)
        {
            _occurrences[Key(running)] = new Mark(request.LeaseId, OccurrenceOutcome.Unfinished, request.Holder, held.ExpiresAt);
        }

        if (request.Waiter is { Spends: { } deferral } entry)
        {
            _spent[deferral] = new Spent(request.LeaseId, _clock.After(entry.SpentFor));
        }

        _queue.Forget(request.Waiter?.Id);

        // Several holders may have died at once, and no waiter was woken for that.
        WakeNext();
        return new AcquireResult(AcquireOutcome.Granted, held.Token);
    }

    public RenewOutcome Renew(RenewRequest request)
    {
        if (Find(request.LeaseId) is not { } held)
        {
            return _holders.Count == 0 ? RenewOutcome.Missing : RenewOutcome.NotYours;
        }

        long expiresAt = Math.Max(held.ExpiresAt, _clock.After(request.Expiry));
        Replace(held, held with { ExpiresAt = expiresAt });
        if (request.Occurrence is { } running && Find(running) is { } mark && mark.LeaseId == request.LeaseId)
        {
            _occurrences[Key(running)] = mark with { ExpiresAt = expiresAt };
        }

        return RenewOutcome.Renewed;
    }

    public ReleaseOutcome Release(ReleaseRequest request)
    {
        if (request.Occurrence is { } end)
        {
            End(end, request.LeaseId);
        }

        if (request.Spends is { } spent && _spent.GetValueOrDefault(spent)?.LeaseId == request.LeaseId)
        {
            _spent.Remove(spent);
        }

        if (Find(request.LeaseId) is not { } held)
        {
            WakeNext();
            return _holders.Count == 0 ? ReleaseOutcome.Missing : ReleaseOutcome.NotYours;
        }

        Held? rest = request.KeepFor > TimeSpan.Zero ? held with { LeaseId = null, ExpiresAt = _clock.After(request.KeepFor) } : null;
        Replace(held, rest);
        WakeNext(rest);
        return ReleaseOutcome.Released;
    }

    public void Decline(DeclineRequest request)
    {
        int? notAccepted = request.NotAcceptedBy is { } woken ? NotAcceptedAfter(woken) : 0;
        if (notAccepted is { } before)
        {
            WakeInstead(before);
        }
    }

    public void Leave(LeaveRequest request)
    {
        _queue.Forget(request.WaiterId);
        WakeInstead(notAccepted: 0);
    }

    // A waiter that was woken for the end of a kept lock does not accept: the next one is woken for the same moment.
    private void WakeInstead(int notAccepted)
    {
        Held? kept = _holders.Count > 0 && EndsFirst() is { LeaseId: null } first ? first : null;
        WakeNext(kept, notAccepted: notAccepted);
    }

    public PollResult Poll(PollRequest request, MemoryProcess process)
    {
        string id = request.Waiter.Id;
        bool hasRoom = HasRoomFor(request.Limit);
        Mark? runner = request.Occurrence is { } occurrence && Find(occurrence) is { LeaseId: not null } mark ? mark : null;
        LastWakeUp? woken = _queue.Woken;
        bool wasQueued = _queue.Has(id) || woken?.Id == id;
        long since = 0;
        if (hasRoom && runner is not null)
        {
            // It could not use a wake-up as long as its occurrence is running.
            _queue.Leave(id, process);
        }
        else
        {
            since = _queue.Restore(request.Waiter, process, request.Holder, request.Limit);
        }

        long[]? others = request.Others is { Count: > 0 }
            ? [.. request.Others.Select(other => _queue.Restore(other.Waiter, process, other.Holder, other.Limit))]
            : null;
        TimeSpan? left = runner is not null ? _clock.Until(runner.ExpiresAt)
            : _holders.Count > 0 ? _clock.Until(EndsFirst().ExpiresAt)
            : null;
        if (!hasRoom || runner is not null)
        {
            if (!hasRoom && woken is { At: var at } && _clock.HasPassed(at))
            {
                _queue.ForgetWoken();
            }

            return new PollResult(false, left, since, wasQueued, others);
        }

        (bool isFree, TimeSpan again) = Offer(id, process, woken);
        return new PollResult(isFree, left < again ? left : again, isFree ? 0 : since, wasQueued, others);
    }

    /// <summary>
    /// Whether the polled waiter should try, and when to poll again. The oldest waiter goes first, in whichever process. While a
    /// wake-up may still be accepted there is no other, however many processes poll. One that was not accepted went to a process
    /// that is frozen or dead, which may have more waiters in the queue: then the polled waiter tries, whose process is alive.
    /// </summary>
    private (bool IsFree, TimeSpan Again) Offer(string id, MemoryProcess process, LastWakeUp? woken)
    {
        bool isPast = woken is { At: var at } && _clock.HasPassed(at);
        if (woken?.Id != id)
        {
            if (isPast && _clock.Until(woken!.At) + AcceptedWithin(woken.NotAccepted) is { Ticks: > 0 } left)
            {
                return (false, left);
            }

            bool isMine = _queue.IsOf(process, id);
            if (!isPast && WakeNext(mine: isMine ? id : null) is { } told)
            {
                return (isMine && told == id, TimeToAccept);
            }
        }

        int notAccepted = woken is null ? 0 : woken.NotAccepted + 1;
        _queue.Leave(id, process);
        _queue.Woke(id, _clock.After(TimeSpan.Zero), notAccepted);
        return (true, AcceptedWithin(notAccepted));
    }

    private static TimeSpan AcceptedWithin(int notAccepted) => notAccepted < MostNotAccepted ? TimeToAccept : LongTimeToAccept;

    /// <summary>
    /// How many wake-ups in a row were not accepted if that of this waiter was not; null if it was not the last one, or the next
    /// would be one too many.
    /// </summary>
    private int? NotAcceptedAfter(string id) =>
        _queue.Woken is { } woken && woken.Id == id && woken.NotAccepted < MostNotAccepted ? woken.NotAccepted + 1 : null;

    public bool Break(long fencingToken)
    {
        if (_holders.Find(held => held.Token == fencingToken) is not { } held)
        {
            return false;
        }

        Replace(held, null);
        if (held.LeaseId is not null)
        {
            locks.Tell(held.Process, new LockNotification.Broken(held.LeaseId));
        }

        WakeNext();
        return true;
    }

    public bool IsMarked(LockOccurrence occurrence) => Find(occurrence) is not null;

    public IEnumerable<HeldLock> List()
    {
        List<LockWaiter> waiters =
            [.. _queue.Waiting.Take(MostWaitersListed).Select(one => new LockWaiter(one.Description, MemoryClock.Utc(one.Since)))];
        return _holders.Select(
            held => new HeldLock(name, held.Holder, held.Token, _clock.Until(held.ExpiresAt), held.LeaseId is null, waiters));
    }

    private AcquireResult? Judge(AcquireRequest request)
    {
        if (request.Occurrence is not { } occurrence || Find(occurrence) is not { } mark || mark.LeaseId == request.LeaseId)
        {
            return null;
        }

        return mark switch
        {
            { LeaseId: not null } => new AcquireResult(
                AcquireOutcome.OccurrenceRunning, Holder: mark.Holder, TimeLeft: _clock.Until(mark.ExpiresAt)),
            { Outcome: OccurrenceOutcome.Succeeded } => new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: mark.Holder),
            _ when occurrence.IsRetry => null,
            { Outcome: OccurrenceOutcome.Ended } => new AcquireResult(AcquireOutcome.OccurrenceEnded),
            _ => new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: mark.Holder),
        };
    }

    private AcquireResult Contended()
    {
        Held first = EndsFirst();
        LockHolder?[]? others = _holders.Count == 1
            ? null
            : [.. _holders.Where(held => held != first).Take(MostOthers).Select(held => held.Holder)];
        return new AcquireResult(
            AcquireOutcome.Contended,
            Holder: first.Holder,
            TimeLeft: _clock.Until(first.ExpiresAt),
            IsKept: first.LeaseId is null,
            Others: others);
    }

    private bool FindsGone(AcquireRequest request, MemoryProcess process) =>
        request is { AsksWhetherHolderAnswers: true, Holder.Identity: { } identity }
        && _holders.TrueForAll(held => held.Holder.Identity == identity)
        && _holders.Exists(held => held.LeaseId is not null && held.Process != process && !held.Process.Listens);

    private long Enqueue(AcquireRequest request, MemoryProcess process) =>
        request.Waiter is { } entry ? _queue.Enqueue(entry, process, request.Holder, request.Limit) : 0;

    private void End(OccurrenceEnd end, string? leaseId)
    {
        // A success that is reported after the failure of another run is a success all the same: no retry runs it again.
        if (Find(end.Occurrence) is { } mark && (mark.LeaseId is null || mark.LeaseId != leaseId)
            && !(mark.Outcome == OccurrenceOutcome.Failed && end.Outcome == OccurrenceOutcome.Succeeded))
        {
            return;
        }

        if (end.Outcome == OccurrenceOutcome.Unfinished)
        {
            _occurrences.Remove(Key(end.Occurrence));
        }
        else
        {
            _occurrences[Key(end.Occurrence)] = new Mark(null, end.Outcome, end.Holder, _clock.After(end.Retention));
        }
    }

    // Wakes the oldest waiter, if the lock has room for it, or will have when it is no longer kept. The process of 'mine' learns of
    // its wake-up by the result. Returns the id of the woken waiter, null for none.
    private string? WakeNext(Held? kept = null, string? mine = null, int notAccepted = 0)
    {
        for (int passedOver = 0; passedOver < MostPassedOver && _queue.Oldest() is { } next; passedOver++)
        {
            bool hasRoom = HasRoomFor(next.Limit);
            if (!hasRoom && (kept is null || !HasRoomFor(next.Limit, without: kept)))
            {
                return null;
            }

            _queue.Forget(next.Id);
            if (next.Id == mine || next.Process.Listens)
            {
                TimeSpan after = hasRoom ? TimeSpan.Zero : _clock.Until(kept!.ExpiresAt);
                if (next.Id != mine)
                {
                    locks.Tell(next.Process, new LockNotification.WakeUp(name, next.Id, after));
                }

                _queue.Woke(next.Id, _clock.After(after), notAccepted);
                return next.Id;
            }
        }

        return null;
    }

    // If a current holder has a smaller limit, that limit applies.
    private bool HasRoomFor(int limit, Held? without = null)
    {
        int count = 0;
        foreach (Held held in _holders)
        {
            if (held != without)
            {
                count++;
                limit = Math.Min(limit, held.Limit);
            }
        }

        return count < limit;
    }

    private Held EndsFirst() => _holders.MinBy(held => held.ExpiresAt)!;

    private Held? Find(string? leaseId) => leaseId is null ? null : _holders.Find(held => held.LeaseId == leaseId);

    private Mark? Find(LockOccurrence occurrence) =>
        _occurrences.TryGetValue(Key(occurrence), out Mark? mark) && !_clock.HasPassed(mark.ExpiresAt) ? mark : null;

    private void Replace(Held? held, Held? by)
    {
        if (held is not null)
        {
            _holders.Remove(held);
        }

        if (by is not null)
        {
            _holders.Add(by);
        }
    }

    private static LockOccurrence Key(LockOccurrence occurrence) => occurrence.IsRetry ? occurrence with { IsRetry = false } : occurrence;
}
