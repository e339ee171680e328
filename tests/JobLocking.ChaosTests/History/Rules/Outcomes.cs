using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// Every execution learns its outcome once, and every lease is released or lost, unless its process was killed or does not run.
/// </summary>
internal static class Outcomes
{
    public static IEnumerable<Violation> Check(IndexedHistory history)
    {
        foreach (Execution execution in history.Executions)
        {
            if (Wrong(execution, history.IsDead(execution.Process) || history.IsFrozenAtTheEnd(execution.Process)) is { } what)
            {
                yield return Violation.Of(Rule.Outcome, $"The {execution.Name} {what}.", [.. execution.Landmarks, .. execution.Events.Where(IsOutcome).Skip(1), execution.Failed]);
            }
        }
    }

    private static string? Wrong(Execution execution, bool mayBeCutShort)
    {
        bool isOver = execution.Released is not null || (execution.Loss is not null && execution.Releasing is null);
        return execution switch
        {
            { Failed: not null } => "failed with an exception that is not part of the contract",
            { Asked: null } => "never asked",
            _ when execution.Events.Count(e => e.What == HistoryEventKind.Asked) > 1 => "asked more than once",
            _ when execution.Events.Count(IsOutcome) > 1 => "has more than one outcome",
            { Granted: null } when execution.Events.Any(NeedsALease) => "did what only a holder does, without a lease",
            _ when mayBeCutShort => null,
            { Outcome: null } => "has no outcome",
            { Granted: not null } when !isOver => "neither gave its lease back nor lost it",
            _ => null,
        };
    }

    private static bool IsOutcome(HistoryEvent told) =>
        told.What is HistoryEventKind.Granted or HistoryEventKind.Contended or HistoryEventKind.Unavailable or HistoryEventKind.Cancelled;

    private static bool NeedsALease(HistoryEvent told) =>
        told.What is HistoryEventKind.Claimed or HistoryEventKind.Disowned or HistoryEventKind.Lost or HistoryEventKind.Wrote or HistoryEventKind.Fenced or HistoryEventKind.Releasing or HistoryEventKind.Released;
}
