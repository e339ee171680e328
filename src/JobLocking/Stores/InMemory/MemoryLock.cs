namespace JobLocking.Stores.InMemory;

/// <summary>One lock: who holds it, who waits for it, what is known of its occurrences. Used by one thread at a time.</summary>
internal sealed class MemoryLock(string name, MemoryLocks locks)
{
    private const int MostOthers = 99;
    private const int MostWaitersListed = 1000;
    private const int MostWakeUps = 100;

    /// <summary>So many wake-ups in a row follow soon upon one that was not accepted.</summary>
    private const int MostLate = 3;

    /// <summary>How long a wake-up may take to be accepted.</summary>
    private static readonly TimeSpan AcceptedSoon = TimeSpan.FromSeconds(1);

    /// <summary>The same after so many that were not: where nothing begins, no more are woken than a safety poll finds.</summary>
    private static readonly TimeSpan AcceptedLate = TimeSpan.FromSeconds(5);

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

    /// <summary>Whether there is nothing left to be remembered.</summary>
    public bool IsIdle => _holders.Count == 0 && _queue.IsEmpty && _occurrences.Count == 0 && _spent.Count == 0;

    /// <summary>Ends the leases whose time has run out.</summary>
    public void Expire() => _holders.RemoveAll(held => _clock.HasPassed(held.ExpiresAt));

    /// <summary>Forgets whatever has lapsed.</summary>
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
            return standsBy ? judged with { QueuedSince = Park(request, process) } : judged;
        }

        Held? own = Find(request.LeaseId);
        if (own is null && !HasRoomFor(request.Limit))
        {
            return Contended() with { QueuedSince = Park(request, process) };
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

        // Several holders may have died at once, and nobody told those who wait.
        NameNext();
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

        int? late = request.Unaccepted is { } woken ? LateAfter(woken) : 0;
        _queue.Forget(request.WaiterId);
        if (Find(request.LeaseId) is not { } held)
        {
            if (late is { } before)
            {
                // A waiter that was woken for the end of a kept lock declines that wake-up, so the next is woken for the same moment.
                Held? kept = request.LeaseId is null && _holders.Count > 0 && EndsFirst() is { LeaseId: null } first ? first : null;
                NameNext(kept, late: before);
            }

            return _holders.Count == 0 ? ReleaseOutcome.Missing : ReleaseOutcome.NotYours;
        }

        Held? rest = request.KeepFor > TimeSpan.Zero ? held with { LeaseId = null, ExpiresAt = _clock.After(request.KeepFor) } : null;
        Replace(held, rest);
        NameNext(rest);
        return ReleaseOutcome.Released;
    }

    public PollResult Look(PollRequest request, MemoryProcess process)
    {
        string id = request.Waiter.Id;
        bool hasRoom = HasRoomFor(request.Limit);
        Mark? runner = request.Occurrence is { } occurrence && Find(occurrence) is { LeaseId: not null } mark ? mark : null;
        WakeUp? woken = _queue.Woken;
        bool wasQueued = _queue.Has(id) || woken?.Id == id;
        long since = 0;
        if (hasRoom && runner is not null)
        {
            // Its turn would be in vain as long as its occurrence is running.
            _queue.Leave(id, process);
        }
        else
        {
            since = _queue.Keep(request.Waiter, process, request.Holder, request.Limit);
        }

        long[]? others = request.Others is { Count: > 0 }
            ? [.. request.Others.Select(other => _queue.Keep(other.Waiter, process, other.Holder, other.Limit))]
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
    /// Whether the execution that is looked for should try, and when to look again. The oldest of all goes first, in whichever
    /// process. While a wake-up may still be accepted there is no other, however many processes look. One that was not accepted
    /// went to a process that is frozen or dead, which may have more in the queue: so then the execution that is looked for
    /// tries, whose process is alive.
    /// </summary>
    private (bool IsFree, TimeSpan Again) Offer(string id, MemoryProcess process, WakeUp? woken)
    {
        bool isPast = woken is { At: var at } && _clock.HasPassed(at);
        if (woken?.Id != id)
        {
            if (isPast && _clock.Until(woken!.At) + AcceptedWithin(woken.Late) is { Ticks: > 0 } left)
            {
                return (false, left);
            }

            bool isMine = _queue.IsOf(process, id);
            if (!isPast && NameNext(mine: isMine ? id : null) is { } told)
            {
                return (isMine && told == id, AcceptedSoon);
            }
        }

        int late = woken is null ? 0 : woken.Late + 1;
        _queue.Leave(id, process);
        _queue.Woke(id, _clock.After(TimeSpan.Zero), late);
        return (true, AcceptedWithin(late));
    }

    private static TimeSpan AcceptedWithin(int late) => late < MostLate ? AcceptedSoon : AcceptedLate;

    /// <summary>
    /// How many wake-ups in a row were not accepted if that of this execution was not; null if it was not the last one, or the next
    /// would be one too many.
    /// </summary>
    private int? LateAfter(string id) => _queue.Woken is { } woken && woken.Id == id && woken.Late < MostLate ? woken.Late + 1 : null;

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

        NameNext();
        return true;
    }

    public IEnumerable<HeldLock> List()
    {
        List<LockWaiter> parked = [.. _queue.Waiting.Take(MostWaitersListed).Select(one => new LockWaiter(one.Waiter, MemoryClock.Utc(one.Since)))];
        return _holders.Select(held => new HeldLock(name, held.Holder, held.Token, _clock.Until(held.ExpiresAt), held.LeaseId is null, parked));
    }

    private AcquireResult? Judge(AcquireRequest request)
    {
        if (request.Occurrence is not { } occurrence || Find(occurrence) is not { } mark || mark.LeaseId == request.LeaseId)
        {
            return null;
        }

        return mark switch
        {
            { LeaseId: not null } => new AcquireResult(AcquireOutcome.OccurrenceRunning, Holder: mark.Holder, TimeLeft: _clock.Until(mark.ExpiresAt)),
            { Outcome: OccurrenceOutcome.Succeeded } => new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: mark.Holder),
            _ when occurrence.IsRetry => null,
            _ => new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: mark.Holder),
        };
    }

    private AcquireResult Contended()
    {
        Held first = EndsFirst();
        LockHolder?[]? others = _holders.Count == 1 ? null : [.. _holders.Where(held => held != first).Take(MostOthers).Select(held => held.Holder)];
        return new AcquireResult(
            AcquireOutcome.Contended, Holder: first.Holder, TimeLeft: _clock.Until(first.ExpiresAt), IsKept: first.LeaseId is null, Others: others);
    }

    private long Park(AcquireRequest request, MemoryProcess process) =>
        request.Waiter is { } entry ? _queue.Park(entry, process, request.Holder, request.Limit) : 0;

    private void End(OccurrenceEnd end, string? leaseId)
    {
        // A success that is heard of after the failure of another run is a success all the same: no retry shall run it again.
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

    // The turn of the oldest, if the lock has room for it, or will have when it is no longer kept. The process of 'mine' hears it
    // by the result: the id of the woken execution, null for none.
    private string? NameNext(Held? kept = null, string? mine = null, int late = 0)
    {
        for (int turn = 0; turn < MostWakeUps && _queue.Oldest() is { } next; turn++)
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

                _queue.Woke(next.Id, _clock.After(after), late);
                return next.Id;
            }
        }

        return null;
    }

    // While one with a smaller limit holds, nobody is granted above that.
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
