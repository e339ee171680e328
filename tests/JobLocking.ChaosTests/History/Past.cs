using System.Diagnostics;
using System.Globalization;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>A history told by hand, in milliseconds: <c>new Past().Asked(0, "a", 1).Then(5, Happening.Granted, "a", 1, token: 7)</c>.</summary>
internal sealed class Past
{
    private readonly List<HistoryEvent> _events = [];
    private readonly Dictionary<(string, long), string> _locks = [];

    public IReadOnlyList<HistoryEvent> Events => _events;

    public Past Whole(string process, long number, long token, long asked, long granted, long claimed, long released, string name = "x") =>
        Asked(asked, process, number, name).Then(granted, Happening.Granted, process, number, token)
            .Then(claimed, Happening.Claimed, process, number, token).Then(claimed, Happening.Wrote, process, number, token)
            .Then(released - 1, Happening.Releasing, process, number, token).Then(released, Happening.Released, process, number, token);

    public Past Asked(long at, string process, long number, string name = "x")
    {
        _locks[(process, number)] = name;
        return Then(at, Happening.Asked, process, number);
    }

    public Past Tried(long asked, long at, Happening outcome, string process, long number, string name = "x") =>
        Asked(asked, process, number, name).Then(at, outcome, process, number);

    /// <summary>Whoever holds it from <paramref name="from"/> on finds the lease his own every so often.</summary>
    public Past Claims(long from, long to, string process, long number, long token, long every = 20)
    {
        for (long at = from; at <= to; at += every)
        {
            Then(at, Happening.Claimed, process, number, token);
        }

        return this;
    }

    public Past Then(long at, Happening what, string process, long number, long token = 0)
    {
        _events.Add(new HistoryEvent(Ticks(at), process, what, number, _locks.GetValueOrDefault((process, number), "x"), token));
        return this;
    }

    public Past Fault(string kind, string target, long from, long? to = null)
    {
        _events.Add(new HistoryEvent(Ticks(from), target, Happening.FaultBegan, Detail: kind));
        if (to is { } end)
        {
            _events.Add(new HistoryEvent(Ticks(end), target, Happening.FaultEnded, Detail: kind));
        }

        return this;
    }

    public Past Erased(long at, string name = "", string detail = "") => Told(at, Happening.Erased, name, detail);

    public Past Healed(long at) => Told(at, Happening.Healed);

    public Past Starved(long from, long to) => Told(to, Happening.Starved, detail: (Ticks(to) - Ticks(from)).ToString(CultureInfo.InvariantCulture));

    public Past Orphan(long at, string name = "x") => Told(at, Happening.Orphan, name);

    private Past Told(long at, Happening what, string name = "", string detail = "")
    {
        _events.Add(new HistoryEvent(Ticks(at), "redis", what, 0, name, 0, detail));
        return this;
    }

    private static long Ticks(long milliseconds) => milliseconds * Stopwatch.Frequency / 1000;
}
