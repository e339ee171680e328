using System.Security.Cryptography;
using JobLocking.Engine;
using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Contention;

/// <content>The safety poll: when a lock is looked at, for whom, and what follows.</content>
internal sealed partial class LocalQueue
{
    /// <summary>How long nobody looks at a lock that somebody here waits for, at most.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>As many as one look may make sure of.</summary>
    private const int MostOthers = 100;

    /// <summary>A number from the first up to the second. Who wants to see a course of events again draws it from a seed.</summary>
    internal Func<int, int, int> Chance { private get; set; } = RandomNumberGenerator.GetInt32;

    /// <summary>The connection is back: turns have got lost.</summary>
    public void LookAtAllNow()
    {
        lock (_gate)
        {
            foreach (Line line in _byLock.Values)
            {
                line.IsInDoubt = true;
                LookAt(line, time.GetTimestamp());
            }
        }
    }

    private async Task LookAsync(Line line)
    {
        TimeSpan? timeLeft = null;
        bool isDoubted = false;
        try
        {
            foreach (Place looker in Lookers(line))
            {
                for (bool isMore = true; isMore;)
                {
                    List<Place> others = Others(line, looker);
                    LookResult look = await gate.LookAsync(Request(looker, others), CancellationToken.None).ConfigureAwait(false);
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
            Log.LookFailed(logger, e, line.Name);
            lock (_gate)
            {
                // Whose wait is in vain shall learn it: the answer to their own question is what their callers expect.
                CallAll(line);
                line.IsInDoubt = true;
            }
        }

        lock (_gate)
        {
            line.IsLooking = false;
            LookWithin(line, timeLeft);
        }
    }

    /// <summary>
    /// Those on whose behalf the lock is looked at: the oldest speaks for all with the same limit. Who stands by for an
    /// occurrence waits for something else besides the lock, and speaks only for those that do so too. A deferral that is due
    /// speaks last: it may be gone, and its own place does not tell whether the store has lost those of the others.
    /// </summary>
    private List<Place> Lookers(Line line)
    {
        lock (_gate)
        {
            TakeCare(line);
            return [.. line.Waiting.Values.Select(group => group.FirstOrDefault(place => !IsDue(place)) ?? group.Min!).Order(OldestFirst)];
        }
    }

    /// <summary>
    /// The next that are made sure of beside the looker. After a loss of places only the oldest would be named again, and the
    /// others one by one with each look. A place whose execution asks just now is left to that, and what is due is not ours any more.
    /// </summary>
    private List<Place> Others(Line line, Place looker)
    {
        lock (_gate)
        {
            if (line.IsInDoubt)
            {
                line.IsInDoubt = false;
                line.Unsure.UnionWith(line.Places);
            }

            line.Unsure.Remove(looker);
            List<Place> others = [];
            while (others.Count < MostOthers && line.Unsure.Min is { } place)
            {
                line.Unsure.Remove(place);
                if (place.Group is not null && !IsDue(place))
                {
                    others.Add(place);
                }
            }

            return others;
        }
    }

    private LookRequest Request(Place place, List<Place> others) => new(
        place.Wanted.Name,
        place.Wanted.Terms.Limit,
        PlaceOf(place),
        place.Wanted.Holder,
        place.StandsBy ? place.Wanted.Occurrence : null,
        others.Count == 0 ? null : [.. others.Select(other => new OtherPlace(PlaceOf(other), other.Wanted.Terms.Limit, other.Wanted.Holder))]);

    private bool IsDue(Place place) => place.Wake is not null && Deadline.Until(time, place.DueAt) <= TimeSpan.Zero;

    private void Refresh(Place place)
    {
        if (place.Wake is null)
        {
            place.LapsesAt = Deadline.Add(time, time.GetTimestamp(), place.Patience);
        }
    }

    private void CallAll(Line line)
    {
        foreach (Place place in line.Places)
        {
            Call(place);
        }
    }

    /// <summary>Has who waits in place ask.</summary>
    private void Call(Place place)
    {
        if (place.Waiter is { } waiter)
        {
            place.HasTurn = true;
            Regroup(place);
            waiter.TrySetResult();
        }
    }

    /// <summary>
    /// A look must not prolong what the process itself will have forgotten by then. And what is due may have come back elsewhere:
    /// a place that this process took for it would have a turn that nobody can use, and the execution none.
    /// </summary>
    private Parking PlaceOf(Place place) => place.Parking with
    {
        Patience = place.Wake is null ? place.Patience : IsDue(place) ? TimeSpan.Zero : Deadline.Until(time, place.LapsesAt),
    };

    /// <returns>Whether there are more to be made sure of at once. A place that is lost time and again is no reason to ask for ever.</returns>
    private bool Saw(Line line, Place looker, List<Place> others, LookResult look, ref bool isDoubted)
    {
        bool isKnown;
        bool isMore = others.Count == MostOthers;
        List<Place> gone = [];
        lock (_gate)
        {
            isKnown = _byId.ContainsKey(looker.Id);
            if (IsHere(looker))
            {
                if (looker.IsParked && !look.WasParked)
                {
                    line.IsInDoubt = true;
                    isMore |= !isDoubted;
                    isDoubted = true;
                }

                if (!look.IsFree)
                {
                    Parked(looker, look.ParkedSince);
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
                    Parked(others[i], since);

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
        foreach (Place place in gone)
        {
            PassOn(place.Wanted.Name, place.Wanted.Terms.Limit, place.Id);
        }

        if (isKnown && look.IsFree)
        {
            Give(looker.Id, looker.Wanted.Name, looker.Wanted.Terms.Limit);
        }

        return isMore;
    }

    private void Parked(Place place, long since)
    {
        place.IsParked = since > 0;
        if (place.IsParked)
        {
            Refresh(place);
        }

        LineUp(place, since);
    }

    /// <summary>Forgets those of which nothing was heard again, and has the store reminded of those that go on waiting in place.</summary>
    private void TakeCare(Line line)
    {
        long now = time.GetTimestamp();
        while (line.Places.Min is { } place && place.CareAt <= now)
        {
            if (place.Waiter is null && place.LapsesAt <= now)
            {
                Remove(place);
                continue;
            }

            line.Places.Remove(place);
            if (place.Wake is null && place.Waiter is not null)
            {
                line.Unsure.Add(place);
                place.CareAt = Deadline.Add(time, now, LongestPause);
            }
            else
            {
                place.CareAt = place.LapsesAt;
            }

            line.Places.Add(place);
        }
    }

    /// <summary>When the time of the holder has passed, and a little more, not all processes in the same moment; but soon in any case.</summary>
    private void LookWithin(Line line, TimeSpan? timeLeft)
    {
        TimeSpan expired = (timeLeft ?? LongestPause) + TimeSpan.FromMilliseconds(Chance(5, 100));
        LookAt(line, Deadline.Add(time, time.GetTimestamp(), expired < LongestPause ? expired : LongestPause));
    }

    private void LookAt(Line line, long moment)
    {
        if (_disposed || line.IsLooking || line.Places.Count == 0 || moment >= line.LookAt)
        {
            return;
        }

        line.LookAt = moment;
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
            line.LookAt = long.MaxValue;
            if (line.IsLooking || line.Places.Count == 0)
            {
                return;
            }

            line.IsLooking = true;
        }

        _ = LookAsync(line);
    }
}
