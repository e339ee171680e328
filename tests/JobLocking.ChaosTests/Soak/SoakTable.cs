using System.Globalization;
using System.Text;
using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Soak;

/// <summary>What happened in a soak and what it found.</summary>
internal sealed class SoakTable(int seed)
{
    private readonly SortedDictionary<string, int> _outcomes = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _faults = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, (ResourceUsage First, ResourceUsage Last)> _accounts = new(StringComparer.Ordinal);
    private TimeSpan _lasted;
    private long _events;
    private int _executions;
    private int _healsJudged;
    private int _starved;
    private int _violations;

    public void Add(Summary summary, int violations)
    {
        _events += summary.Events;
        _executions += summary.Executions;
        _starved += summary.Starved;
        _healsJudged += summary.HealsJudged;
        _violations += violations;
        foreach ((HistoryEventKind what, int count) in summary.Outcomes)
        {
            _outcomes[what.ToString().ToLowerInvariant()] = _outcomes.GetValueOrDefault(what.ToString().ToLowerInvariant()) + count;
        }

        foreach ((string kind, int count) in summary.Faults)
        {
            _faults[kind] = _faults.GetValueOrDefault(kind) + count;
        }
    }

    public void Add(string worker, ResourceUsage account) =>
        _accounts[worker] = (_accounts.TryGetValue(worker, out (ResourceUsage First, ResourceUsage Last) known) ? known.First : account, account);

    public void Lasted(TimeSpan time) => _lasted = time;

    public override string ToString()
    {
        StringBuilder table = new();
        Line(table, "seed", seed);
        Line(table, "minutes", _lasted.TotalMinutes);
        Line(table, "events", _events);
        Line(table, "executions", _executions);
        foreach ((string what, int count) in _outcomes.Where(o => o.Key != "asked"))
        {
            Line(table, $"  {what}", count);
        }

        Line(table, "faults", _faults.Values.Sum());
        foreach ((string kind, int count) in _faults)
        {
            Line(table, $"  {kind}", count);
        }

        Line(table, "times the machine was starved", _starved);
        Line(table, "times healed and judged", _healsJudged);
        Line(table, "violations", _violations);
        foreach ((string worker, (ResourceUsage first, ResourceUsage last)) in _accounts)
        {
            Pair(table, $"{worker}: heap, KB", first.Memory / 1024, last.Memory / 1024);
            Pair(table, $"{worker}: handles", first.Handles, last.Handles);
            Pair(table, $"{worker}: timers", first.Timers, last.Timers);
        }

        return table.ToString();
    }

    private static void Line(StringBuilder table, string what, double number) => table.AppendLine(CultureInfo.InvariantCulture, $"{what,-32}{number,12:#,0.#}");

    private static void Pair(StringBuilder table, string what, long first, long last) => table.AppendLine(CultureInfo.InvariantCulture, $"{what,-32}{first,12:N0} -> {last,8:N0}");
}
