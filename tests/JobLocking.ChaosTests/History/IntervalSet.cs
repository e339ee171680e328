namespace JobLocking.ChaosTests.History;

/// <summary>A closed interval of time.</summary>
internal readonly record struct Interval(long From, long To)
{
    public bool Touches(long from, long to) => From <= to && To >= from;
}

/// <summary>Disjoint intervals in their order.</summary>
internal sealed class IntervalSet
{
    private readonly List<Interval> _intervals;

    private IntervalSet(List<Interval> intervals) => _intervals = intervals;

    public IReadOnlyList<Interval> All => _intervals;

    /// <summary>The time that at least one interval covers.</summary>
    public static IntervalSet Of(IEnumerable<Interval> intervals) => Where(intervals, 1);

    /// <summary>The time that at least this many intervals cover.</summary>
    public static IntervalSet Where(IEnumerable<Interval> intervals, int count)
    {
        // An interval that begins at the moment at which another ends overlaps with it.
        List<(long At, int Change)> steps = [.. intervals.SelectMany(p => new[] { (p.From, 1), (p.To, -1) })];
        steps.Sort((a, b) => a.At != b.At ? a.At.CompareTo(b.At) : b.Change.CompareTo(a.Change));
        List<Interval> found = [];
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
                found.Add(new Interval(since, at));
            }
        }

        return new IntervalSet(found);
    }

    public bool Touches(long from, long to) => First(from) is var i && i < _intervals.Count && _intervals[i].From <= to;

    /// <summary>The last interval that touches this time; null if none does.</summary>
    public Interval? LastWithin(long from, long to)
    {
        int i = First(to);
        if (i == _intervals.Count || _intervals[i].From > to)
        {
            i--;
        }

        return i >= 0 && _intervals[i].Touches(from, to) ? _intervals[i] : null;
    }

    /// <summary>The end of the last interval that is over by then; null if none is.</summary>
    public long? LastEndBefore(long at)
    {
        int i = First(at) - 1;
        return i >= 0 ? _intervals[i].To : null;
    }

    /// <summary>The gaps between the intervals.</summary>
    public IEnumerable<Interval> Gaps()
    {
        long since = long.MinValue;
        foreach (Interval interval in _intervals)
        {
            yield return new Interval(since, interval.From);
            since = interval.To;
        }

        if (since < long.MaxValue)
        {
            yield return new Interval(since, long.MaxValue);
        }
    }

    /// <summary>
    /// The number of the gap that contains this time: 0 before the first interval, 1 after it. Null for a time that touches an interval,
    /// and so may belong to either side.
    /// </summary>
    public int? Epoch(long from, long to) => Touches(from, to) ? null : First(from);

    /// <summary>The index of the first interval that does not end before.</summary>
    private int First(long at)
    {
        int low = 0;
        int high = _intervals.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_intervals[middle].To < at)
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
