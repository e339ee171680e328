using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>Until when an execution may hold its lock at the most: what is not known counts for it.</summary>
internal static class Possession
{
    /// <summary>From when it asked. Null if it surely never held it.</summary>
    public static Period? Possible(Story story, Execution execution) => Until(story, execution) is { } until ? new Period(execution.AskedAt, until) : null;

    /// <summary>From when it was told, or from when it asked if it never was: what nobody was told of may be there at any time.</summary>
    public static Period? Told(Story story, Execution execution) =>
        Until(story, execution) is { } until ? new Period(execution.Granted?.At ?? execution.AskedAt, until) : null;

    private static long? Until(Story story, Execution execution)
    {
        LockTerms terms = story.Terms.Of(execution.Lock);
        long orphaned = Terms.Ticks(terms.Expiry + story.Terms.Grace);
        if (execution.Outcome?.What == Happening.Contended)
        {
            return null;
        }

        if (execution.Granted is null)
        {
            // Who gave up or was killed while it asked may have been granted the lock all the same.
            long? ended = execution.Outcome?.At ?? execution.Failed?.At ?? (story.IsDead(execution.Process) ? story.DiedAt(execution.Process) : null);
            return ended + orphaned ?? long.MaxValue;
        }

        if (execution.Released is null)
        {
            return story.IsDead(execution.Process) ? story.DiedAt(execution.Process) + orphaned
                : execution.Loss is { } loss ? loss.At + orphaned
                : long.MaxValue;
        }

        bool isSure = execution.Loss is null
            && !story.TroublesOf(execution.Process, execution.Lock).Touches((execution.Releasing ?? execution.Granted).At, execution.Released.At);
        long kept = execution.OutcomeAt + Terms.Ticks(terms.MinHold);
        return Math.Max(execution.Released.At + (isSure ? 0 : orphaned), kept);
    }
}
