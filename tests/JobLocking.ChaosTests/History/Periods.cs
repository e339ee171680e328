namespace JobLocking.ChaosTests.History;

/// <summary>A stretch of time, both ends within.</summary>
internal readonly record struct Period(long From, long To)
{
    public bool Touches(long from, long to) => From <= to && To >= from;
}

/// <summary>Stretches of time that do not touch each other, in their order.</summary>
internal sealed class Periods
{
    private readonly List<Period> _periods;

    private Periods(List<Period> periods) => _periods = periods;

    public IReadOnlyList<Period> All => _periods;

    /// <summary>Where at least one of them is.</summary>
    public static Periods Of(IEnumerable<Period> periods) => Where(periods, 1);

    /// <summary>Where at least so many of them are.</summary>
    public static Periods Where(IEnumerable<Period> periods, int count)
    {
        // Who begins at the moment at which another ends meets him.
        List<(long At, int Change)> steps = [.. periods.SelectMany(p => new[] { (p.From, 1), (p.To, -1) })];
        steps.Sort((a, b) => a.At != b.At ? a.At.CompareTo(b.At) : b.Change.CompareTo(a.Change));
        List<Period> found = [];
        int now = 0;
        long since = 0;
        foreach ((long at, int change) in steps)
        {
            int before = now;
            now += change;
            if (before < count && now == count)
            {
                since = at;
            }
            else if (before == count && now < count)
            {
                found.Add(new Period(since, at));
            }
        }

        return new Periods(found);
    }

    public bool Touches(long from, long to) => First(from) is var i && i < _periods.Count && _periods[i].From <= to;

    /// <summary>The last one that touches the stretch; null if none does.</summary>
    public Period? LastWithin(long from, long to)
    {
        int i = First(to);
        if (i == _periods.Count || _periods[i].From > to)
        {
            i--;
        }

        return i >= 0 && _periods[i].Touches(from, to) ? _periods[i] : null;
    }

    /// <summary>The end of the last one that is over by then; null if none is.</summary>
    public long? LastEndBefore(long at)
    {
        int i = First(at) - 1;
        return i >= 0 ? _periods[i].To : null;
    }

    /// <summary>What lies between them.</summary>
    public IEnumerable<Period> Gaps()
    {
        long since = long.MinValue;
        foreach (Period period in _periods)
        {
            yield return new Period(since, period.From);
            since = period.To;
        }

        if (since < long.MaxValue)
        {
            yield return new Period(since, long.MaxValue);
        }
    }

    /// <summary>
    /// Numbers what lies between them: 0 before the first, 1 behind it. Null for what touches one of them, and so may
    /// belong to either side.
    /// </summary>
    public int? Epoch(long from, long to) => Touches(from, to) ? null : First(from);

    /// <summary>The first that does not end before.</summary>
    private int First(long at)
    {
        int low = 0;
        int high = _periods.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_periods[middle].To < at)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
