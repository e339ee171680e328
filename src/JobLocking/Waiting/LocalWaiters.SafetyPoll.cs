using System.Security.Cryptography;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Waiting;

/// <content>The safety poll: when a lock is looked at, for whom, and what follows.</content>
internal sealed partial class LocalWaiters
{
    /// <summary>How long nobody looks at a lock that somebody here waits for, at most.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>As many as one look may make sure of.</summary>
    private const int MostOthers = 100;

    /// <summary>A number from the first up to the second. Who wants to see a course of events again draws it from a seed.</summary>
    internal Func<int, int, int> Chance { private get; set; } = RandomNumberGenerator.GetInt32;

    /// <summary>The connection is back: turns have got lost.</summary>
    public void PollAllNow()
    {
        lock (_gate)
        {
            foreach (Line line in _byLock.Values)
            {
                line.IsInDoubt = true;
                PollAt(line, time.GetTimestamp());
            }
        }
    }

    private async Task PollAsync(Line line)
    {
        TimeSpan? timeLeft = null;
        bool isDoubted = false;
        try
        {
            foreach (Waiter looker in Pollers(line))
            {
                for (bool isMore = true; isMore;)
                {
                    List<Waiter> others = Others(line, looker);
                    PollResult look = await gate.PollAsync(Request(looker, others), CancellationToken.None).ConfigureAwait(false);
                    timeLeft = timeLeft is { } shorter && (look.TimeLeft is null || shorter < look.TimeLeft) ? shorter : look.TimeLeft;
                    isMore = Saw(line, looker, others, look, ref isDoubted);
                    if (isMore && look.IsFree)
                    {
                        // It tries by now, and would be parked behind its own back. The next look is that of another.
                        timeLeft = TimeSpan.Zero;
                        break;
                    }
                }
            }
        }
#pragma warning disable CA1031 // The next look may see more.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.PollFailed(logger, e, line.Name);
            lock (_gate)
            {
                // Whose wait is in vain shall learn it: the answer to their own question is what their callers expect.
                CallAll(line);
                line.IsInDoubt = true;
            }
        }

        lock (_gate)
        {
            line.IsPolling = false;
            PollWithin(line, timeLeft);
        }
    }

    /// <summary>
    /// Those on whose behalf the lock is looked at: the oldest speaks for all with the same limit. Who stands by for an
    /// occurrence waits for something else besides the lock, and speaks only for those that do so too. A deferral that is due
    /// speaks last: it may be gone, and its own place does not tell whether the store has lost those of the others.
    /// </summary>
    private List<Waiter> Pollers(Line line)
    {
        lock (_gate)
        {
            TakeCare(line);
            return [.. line.Waiting.Values.Select(group => group.FirstOrDefault(waiter => !IsDue(waiter)) ?? group.Min!).Order(OldestFirst)];
        }
    }

    /// <summary>
    /// The next that are made sure of beside the looker. After a loss of places only the oldest would be named again, and the
    /// others one by one with each look. A place whose execution asks just now is left to that, and what is due is not ours any more.
    /// </summary>
    private List<Waiter> Others(Line line, Waiter looker)
    {
        lock (_gate)
        {
            if (line.IsInDoubt)
            {
                line.IsInDoubt = false;
                line.Unsure.UnionWith(line.Waiters);
            }

            line.Unsure.Remove(looker);
            List<Waiter> others = [];
            while (others.Count < MostOthers && line.Unsure.Min is { } waiter)
            {
                line.Unsure.Remove(waiter);
                if (waiter.Group is not null && !IsDue(waiter))
                {
                    others.Add(waiter);
                }
            }

            return others;
        }
    }

    private PollRequest Request(Waiter waiter, List<Waiter> others) => new(
        waiter.Wanted.Name,
        waiter.Wanted.Terms.Limit,
        EntryOf(waiter),
        waiter.Wanted.Holder,
        waiter.StandsBy ? waiter.Wanted.Occurrence : null,
        others.Count == 0 ? null : [.. others.Select(other => new OtherWaiter(EntryOf(other), other.Wanted.Terms.Limit, other.Wanted.Holder))]);

    private bool IsDue(Waiter waiter) => waiter.Wake is not null && Deadline.Until(time, waiter.DueAt) <= TimeSpan.Zero;

    private void Refresh(Waiter waiter)
    {
        if (waiter.Wake is null)
        {
            waiter.LapsesAt = Deadline.Add(time, time.GetTimestamp(), waiter.Patience);
        }
    }

    private void CallAll(Line line)
    {
        foreach (Waiter waiter in line.Waiters)
        {
            Call(waiter);
        }
    }

    /// <summary>Has who waits in place ask.</summary>
    private void Call(Waiter waiter)
    {
        if (waiter.Signal is { } signal)
        {
            waiter.IsWoken = true;
            Regroup(waiter);
            signal.TrySetResult();
        }
    }

    /// <summary>
    /// A look must not prolong what the process itself will have forgotten by then. And what is due may have come back elsewhere:
    /// a place that this process took for it would have a turn that nobody can use, and the execution none.
    /// </summary>
    private WaiterEntry EntryOf(Waiter waiter) => waiter.Entry with
    {
        Patience = waiter.Wake is null ? waiter.Patience : IsDue(waiter) ? TimeSpan.Zero : Deadline.Until(time, waiter.LapsesAt),
    };

    /// <returns>Whether there are more to be made sure of at once. A place that is lost time and again is no reason to ask for ever.</returns>
    private bool Saw(Line line, Waiter looker, List<Waiter> others, PollResult look, ref bool isDoubted)
    {
        bool isKnown;
        bool isMore = others.Count == MostOthers;
        List<Waiter> gone = [];
        lock (_gate)
        {
            isKnown = _byId.ContainsKey(looker.Id);
            if (IsHere(looker))
            {
                if (looker.IsQueued && !look.WasQueued)
                {
                    line.IsInDoubt = true;
                    isMore |= !isDoubted;
                    isDoubted = true;
                }

                if (!look.IsFree)
                {
                    Queued(looker, look.QueuedSince);
                }
            }
            else if (!isKnown)
            {
                gone.Add(looker);
            }

            for (int i = 0; i < others.Count; i++)
            {
                long since = look.Others is { } all && i < all.Count ? all[i] : 0;
                if (IsHere(others[i]))
                {
                    Queued(others[i], since);

                    // The queue is full. The next look sees whether it still is.
                    isMore &= since > 0;
                }
                else if (!_byId.ContainsKey(others[i].Id))
                {
                    gone.Add(others[i]);
                }
            }
        }

        // They went while they were looked for, and may have been parked again.
        foreach (Waiter waiter in gone)
        {
            PassOn(waiter.Wanted.Name, waiter.Wanted.Terms.Limit, waiter.Id);
        }

        if (isKnown && look.IsFree)
        {
            Give(looker.Id, looker.Wanted.Name, looker.Wanted.Terms.Limit);
        }

        return isMore;
    }

    private void Queued(Waiter waiter, long since)
    {
        waiter.IsQueued = since > 0;
        if (waiter.IsQueued)
        {
            Refresh(waiter);
        }

        LineUp(waiter, since);
    }

    /// <summary>Forgets those of which nothing was heard again, and has the store reminded of those that go on waiting in place.</summary>
    private void TakeCare(Line line)
    {
        long now = time.GetTimestamp();
        while (line.Waiters.Min is { } waiter && waiter.CareAt <= now)
        {
            if (waiter.Signal is null && waiter.LapsesAt <= now)
            {
                Remove(waiter);
                continue;
            }

            line.Waiters.Remove(waiter);
            if (waiter.Wake is null && waiter.Signal is not null)
            {
                line.Unsure.Add(waiter);
                waiter.CareAt = Deadline.Add(time, now, LongestPause);
            }
            else
            {
                waiter.CareAt = waiter.LapsesAt;
            }

            line.Waiters.Add(waiter);
        }
    }

    /// <summary>When the time of the holder has passed, and a little more, not all processes in the same moment; but soon in any case.</summary>
    private void PollWithin(Line line, TimeSpan? timeLeft)
    {
        TimeSpan expired = (timeLeft ?? LongestPause) + TimeSpan.FromMilliseconds(Chance(5, 100));
        PollAt(line, Deadline.Add(time, time.GetTimestamp(), expired < LongestPause ? expired : LongestPause));
    }

    private void PollAt(Line line, long moment)
    {
        if (_disposed || line.IsPolling || line.Waiters.Count == 0 || moment >= line.PollAt)
        {
            return;
        }

        line.PollAt = moment;
        line.Timer ??= CreateTimer(line);
        double wait = Math.Max(0, Math.Ceiling(Deadline.Until(time, moment).TotalMilliseconds));
        line.Timer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
    }

    private ITimer CreateTimer(Line line)
    {
        // Else it would run in the context of a job: with its ambient lease, in its trace.
        using (ExecutionContext.SuppressFlow())
        {
            return time.CreateTimer(_ => OnTimer(line), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer(Line line)
    {
        lock (_gate)
        {
            line.PollAt = long.MaxValue;
            if (line.IsPolling || line.Waiters.Count == 0)
            {
                return;
            }

            line.IsPolling = true;
        }

        _ = PollAsync(line);
    }
}
