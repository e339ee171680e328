using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>Each write is counted once. An execution that was killed between its check and its report may have written without a report.</summary>
internal static class LostUpdates
{
    public static IEnumerable<Violation> Check(IndexedHistory history) =>
        from terms in history.Terms.Locks
        where terms.Value.Count is not null
        let executions = history.Executions.Where(e => e.Lock == terms.Key).ToArray()
        let reported = executions.Sum(e => e.Events.Count(next => next.What == HistoryEventKind.Wrote))
        let unreported = executions.Count(e => e.Events[^1].What == HistoryEventKind.Claimed && (history.IsDead(e.Process) || history.IsFrozenAtTheEnd(e.Process)))
        where terms.Value.Count < reported || terms.Value.Count > reported + unreported
        select Violation.Of(Rule.LostUpdate, $"The counter under lock '{terms.Key}' is {terms.Value.Count}, but {reported} writes were reported, and {unreported} more may have happened.");
}
