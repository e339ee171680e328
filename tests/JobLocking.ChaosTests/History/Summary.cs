using System.Globalization;
using JobLocking.ChaosTests.History.Rules;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>What a history consists of, so that a table can show that it was not empty.</summary>
/// <param name="Events">Its lines.</param>
/// <param name="Processes">The processes that requested locks.</param>
/// <param name="Executions">How often a lock was requested.</param>
/// <param name="Outcomes">The outcomes, and what followed.</param>
/// <param name="Faults">How many of each kind.</param>
/// <param name="Heals">How often all faults were over.</param>
/// <param name="HealsJudged">How often the calm after that was long enough to judge whether every execution made progress.</param>
/// <param name="Starved">How often the machine was too busy to answer.</param>
internal sealed record Summary(
    int Events, int Processes, int Executions, IReadOnlyDictionary<HistoryEventKind, int> Outcomes, IReadOnlyDictionary<string, int> Faults, int Heals, int HealsJudged, int Starved)
{
    public static Summary Of(IReadOnlyList<HistoryEvent> history, Terms terms)
    {
        IndexedHistory indexed = new(history, terms);
        return new Summary(
            history.Count,
            indexed.Executions.Select(e => e.Process).Distinct(StringComparer.Ordinal).Count(),
            indexed.Executions.Count,
            history.Where(e => e.Execution != 0).CountBy(e => e.What).OrderBy(e => e.Key).ToDictionary(),
            indexed.Faults.CountBy(f => f.Kind, StringComparer.Ordinal).OrderBy(f => f.Key, StringComparer.Ordinal).ToDictionary(),
            indexed.Of(HistoryEventKind.Healed).Count(),
            Liveness.Windows(indexed).Count(),
            indexed.Of(HistoryEventKind.Starved).Count());
    }

    public override string ToString()
    {
        IEnumerable<string> lines =
        [
            Line("processes", Processes), Line("executions", Executions),
            .. Outcomes.Where(o => o.Key != HistoryEventKind.Asked).Select(o => Line($"  {o.Key.ToString().ToLowerInvariant()}", o.Value)),
            Line("faults", Faults.Values.Sum()),
            .. Faults.Select(f => Line($"  {f.Key}", f.Value)),
            Line("healed", Heals), Line("  and judged", HealsJudged), Line("starved", Starved),
        ];
        return string.Join('\n', lines);
    }

    private static string Line(string what, int count) => string.Create(CultureInfo.InvariantCulture, $"{what,-28}{count,12:N0}");
}
