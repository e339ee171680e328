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
        (List<Place> lookers, List<Place> others, bool inDoubt) = Muster(line);
        try
        {
            foreach (Place place in lookers)
            {
                LookResult look = await store.LookAsync(Request(place, others: null), CancellationToken.None).ConfigureAwait(false);
                inDoubt |= place.IsParked && !look.WasParked;
                timeLeft = timeLeft is { } shorter && shorter < look.TimeLeft ? shorter : look.TimeLeft;
                Saw(place, look);
            }

            if (lookers.Count > 0)
            {
                await MakeSureAsync(lookers[0], inDoubt ? others : [.. others.Where(IsToBeRefreshed)]).ConfigureAwait(false);
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
                line.IsInDoubt |= inDoubt;
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
    /// occurrence waits for something else besides the lock, and speaks for nobody.
    /// </summary>
    private (List<Place> Lookers, List<Place> Others, bool InDoubt) Muster(Line line)
    {
        lock (_gate)
        {
            bool inDoubt = line.IsInDoubt;
            line.IsInDoubt = false;
            DropLapsed(line);
            List<Place> waiting = [.. line.Places.Where(place => !place.HasTurn && (place.Wake is not null || place.Waiter is not null))];
            List<Place> lookers = [.. waiting.DistinctBy(place => (place.Wanted.Terms.Limit, place.Wanted.Occurrence))];
            return (lookers, [.. waiting.Except(lookers).Where(place => !IsDue(place))], inDoubt);
        }
    }

    /// <summary>After a loss of places only the oldest would be named again, and the others one by one with each look.</summary>
    private async Task MakeSureAsync(Place looker, List<Place> others)
    {
        foreach (Place[] some in others.Chunk(MostOthers))
        {
            LookResult look = await store.LookAsync(Request(looker, some), CancellationToken.None).ConfigureAwait(false);
            lock (_gate)
            {
                foreach (Place place in some.Where(IsHere))
                {
                    place.IsParked = true;
                    Refresh(place);
                }

                // Whoever was told to try may have been and gone before the others had their places. Who is not here any more
                // passes the turn on below.
                if (look.IsFree && _byId.ContainsKey(looker.Id))
                {
                    PassOn(looker.Wanted.Name, looker.Wanted.Terms.Limit);
                }

                foreach (Place gone in some.Append(looker).Where(place => !_byId.ContainsKey(place.Id)))
                {
                    PassOn(gone.Wanted.Name, gone.Wanted.Terms.Limit, gone.Id);
                }
            }
        }
    }

    private LookRequest Request(Place place, IReadOnlyCollection<Place>? others) => new(
        place.Wanted.Name,
        place.Wanted.Terms.Limit,
        PlaceOf(place),
        place.Wanted.Holder,
        place.Wanted.Occurrence,
        others is null ? null : [.. others.Select(other => new OtherPlace(PlaceOf(other), other.Wanted.Terms.Limit, other.Wanted.Holder))]);

    private bool IsDue(Place place) => place.Wake is not null && Deadline.Until(time, place.DueAt) <= TimeSpan.Zero;

    private bool IsToBeRefreshed(Place place) => place.Wake is null && Deadline.Until(time, place.LapsesAt) < place.Patience / 2;

    private void Refresh(Place place)
    {
        if (place.Wake is null)
        {
            place.LapsesAt = Deadline.Add(time, time.GetTimestamp(), place.Patience);
        }
    }

    private static void CallAll(Line line)
    {
        foreach (Place place in line.Places)
        {
            Call(place);
        }
    }

    /// <summary>Has who waits in place ask.</summary>
    private static void Call(Place place)
    {
        if (place.Waiter is { } waiter)
        {
            place.HasTurn = true;
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

    private void Saw(Place place, LookResult look)
    {
        Place? here;
        lock (_gate)
        {
            here = _byId.GetValueOrDefault(place.Id);
            if (here == place && !look.IsFree)
            {
                place.IsParked = look.ParkedSince > 0;
                Refresh(place);
                LineUp(place, look.ParkedSince);
            }
        }

        if (here is null)
        {
            // It went while it was looked for, and may have been parked again.
            PassOn(place.Wanted.Name, place.Wanted.Terms.Limit, place.Id);
        }
        else if (look.IsFree)
        {
            Give(place.Id, place.Wanted.Name, place.Wanted.Terms.Limit);
        }
    }

    private void DropLapsed(Line line)
    {
        long now = time.GetTimestamp();
        foreach (Place place in line.Places.Where(place => place.Waiter is null && place.LapsesAt <= now).ToList())
        {
            Remove(place);
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
