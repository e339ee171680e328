using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>The longest time for which an execution may have held its lock: unknown time counts as held.</summary>
internal static class Possession
{
    /// <summary>From its request on. Null if it certainly never held it.</summary>
    public static Interval? Possible(IndexedHistory history, Execution execution) => Until(history, execution) is { } until ? new Interval(execution.AskedAt, until) : null;

    /// <summary>From its grant on; from its request on if it never learned of a grant.</summary>
    public static Interval? Told(IndexedHistory history, Execution execution) =>
        Until(history, execution) is { } until ? new Interval(execution.Granted?.At ?? execution.AskedAt, until) : null;

    private static long? Until(IndexedHistory history, Execution execution)
    {
        LockTerms terms = history.Terms.Of(execution.Lock);
        long orphaned = Terms.Ticks(terms.Expiry + history.Terms.Grace);
        if (execution.Outcome?.What == HistoryEventKind.Contended)
        {
            return null;
        }

        if (execution.Granted is null)
        {
            // An execution that gave up or was killed during its request may have been granted the lock.
            long? ended = execution.Outcome?.At ?? execution.Failed?.At ?? (history.IsDead(execution.Process) ? history.DiedAt(execution.Process) : null);
            return ended + orphaned ?? long.MaxValue;
        }

        if (execution.Released is null)
        {
            return history.IsDead(execution.Process) ? history.DiedAt(execution.Process) + orphaned
                : execution.Loss is { } loss ? loss.At + orphaned
                : long.MaxValue;
        }

        bool isSure = execution.Loss is null
            && !history.TroublesOf(execution.Process, execution.Lock).Touches((execution.Releasing ?? execution.Granted).At, execution.Released.At);
        long kept = execution.OutcomeAt + Terms.Ticks(terms.MinHold);
        return Math.Max(execution.Released.At + (isSure ? 0 : orphaned), kept);
    }
}
