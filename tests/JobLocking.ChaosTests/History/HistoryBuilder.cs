using System.Diagnostics;
using System.Globalization;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>Builds a history for a test, in milliseconds: <c>new HistoryBuilder().Asked(0, "a", 1).Then(5, HistoryEventKind.Granted, "a", 1, token: 7)</c>.</summary>
internal sealed class HistoryBuilder
{
    private readonly List<HistoryEvent> _events = [];
    private readonly Dictionary<(string, long), string> _locks = [];

    public IReadOnlyList<HistoryEvent> Events => _events;

    public HistoryBuilder Whole(string process, long number, long token, long asked, long granted, long claimed, long released, string name = "x") =>
        Asked(asked, process, number, name).Then(granted, HistoryEventKind.Granted, process, number, token)
            .Then(claimed, HistoryEventKind.Claimed, process, number, token).Then(claimed, HistoryEventKind.Wrote, process, number, token)
            .Then(released - 1, HistoryEventKind.Releasing, process, number, token).Then(released, HistoryEventKind.Released, process, number, token);

    public HistoryBuilder Asked(long at, string process, long number, string name = "x")
    {
        _locks[(process, number)] = name;
        return Then(at, HistoryEventKind.Asked, process, number);
    }

    public HistoryBuilder Tried(long asked, long at, HistoryEventKind outcome, string process, long number, string name = "x") =>
        Asked(asked, process, number, name).Then(at, outcome, process, number);

    /// <summary>The holder finds its lease valid every so often, from <paramref name="from"/> on.</summary>
    public HistoryBuilder Claims(long from, long to, string process, long number, long token, long every = 20)
    {
        for (long at = from; at <= to; at += every)
        {
            Then(at, HistoryEventKind.Claimed, process, number, token);
        }

        return this;
    }

    public HistoryBuilder Then(long at, HistoryEventKind what, string process, long number, long token = 0)
    {
        _events.Add(new HistoryEvent(Ticks(at), process, what, number, _locks.GetValueOrDefault((process, number), "x"), token));
        return this;
    }

    public HistoryBuilder Fault(string kind, string target, long from, long? to = null)
    {
        _events.Add(new HistoryEvent(Ticks(from), target, HistoryEventKind.FaultBegan, Detail: kind));
        if (to is { } end)
        {
            _events.Add(new HistoryEvent(Ticks(end), target, HistoryEventKind.FaultEnded, Detail: kind));
        }

        return this;
    }

    public HistoryBuilder Erased(long at, string name = "", string detail = "") => Add(at, HistoryEventKind.Erased, name, detail);

    public HistoryBuilder Healed(long at) => Add(at, HistoryEventKind.Healed);

    public HistoryBuilder Starved(long from, long to) => Add(to, HistoryEventKind.Starved, detail: (Ticks(to) - Ticks(from)).ToString(CultureInfo.InvariantCulture));

    public HistoryBuilder Orphan(long at, string name = "x") => Add(at, HistoryEventKind.Orphan, name);

    private HistoryBuilder Add(long at, HistoryEventKind what, string name = "", string detail = "")
    {
        _events.Add(new HistoryEvent(Ticks(at), "redis", what, 0, name, 0, detail));
        return this;
    }

    private static long Ticks(long milliseconds) => milliseconds * Stopwatch.Frequency / 1000;
}
