using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// Who cannot ask has a fault to show for it: one that goes on, or one after which nobody in its process has had an answer yet to what was
/// asked since, for it takes a moment to connect again. Or a machine that was too busy to answer anybody: nothing else is excused by that.
/// </summary>
internal static class Availability
{
    public static IEnumerable<Violation> Check(IndexedHistory history)
    {
        foreach (IGrouping<string, Execution> ofProcess in history.Executions.GroupBy(e => e.Process, StringComparer.Ordinal))
        {
            List<Execution> answered = [];
            PriorityQueue<Execution, long> coming = new();
            foreach (Execution execution in ofProcess.Where(e => e.Asked is not null && e.Outcome is not null).OrderBy(e => e.AskedAt))
            {
                while (coming.TryPeek(out Execution? told, out long at) && at < execution.AskedAt)
                {
                    coming.Dequeue();
                    // Only the latest request that was answered counts.
                    if (answered.Count == 0 || told.AskedAt > answered[^1].AskedAt)
                    {
                        answered.Add(told);
                    }
                }

                if (execution.Outcome!.What is HistoryEventKind.Granted or HistoryEventKind.Contended)
                {
                    coming.Enqueue(execution, execution.OutcomeAt);
                }
                else if (execution.Outcome.What == HistoryEventKind.Unavailable && !IsExcused(history, execution, answered.Count == 0 ? null : answered[^1]))
                {
                    yield return Violation.Of(Rule.Unavailable, $"The {execution.Name} found the store unavailable, although nothing was broken.", execution.Asked, execution.Outcome);
                }
            }
        }
    }

    private static bool IsExcused(IndexedHistory history, Execution execution, Execution? answered)
    {
        IntervalSet troubles = history.TroublesOf(execution.Process, execution.Lock);
        return troubles.Touches(execution.AskedAt, execution.OutcomeAt)
            || history.Starvation.Touches(execution.AskedAt, execution.OutcomeAt)
            || (troubles.LastEndBefore(execution.AskedAt) is { } over && !(answered?.AskedAt > over));
    }
}
