using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// The store is unavailable only because of a fault: one that continues, or one after which the process has not yet received an answer to
/// any later request, since it takes a moment to reconnect. A machine that was too busy to answer is also a cause; it excuses nothing else.
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
