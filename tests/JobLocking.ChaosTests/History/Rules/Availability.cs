using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// Who cannot ask has a fault to show for it: one that goes on, or one after which nobody in its process has had an answer yet to what was
/// asked since, for it takes a moment to connect again. Or a machine that was too busy to answer anybody: nothing else is excused by that.
/// </summary>
internal static class Availability
{
    public static IEnumerable<Violation> Check(Story story)
    {
        foreach (IGrouping<string, Execution> ofProcess in story.Executions.GroupBy(e => e.Process, StringComparer.Ordinal))
        {
            List<Execution> answered = [];
            PriorityQueue<Execution, long> coming = new();
            foreach (Execution execution in ofProcess.Where(e => e.Asked is not null && e.Outcome is not null).OrderBy(e => e.AskedAt))
            {
                while (coming.TryPeek(out Execution? told, out long at) && at < execution.AskedAt)
                {
                    coming.Dequeue();
                    // Only the latest question that was answered counts.
                    if (answered.Count == 0 || told.AskedAt > answered[^1].AskedAt)
                    {
                        answered.Add(told);
                    }
                }

                if (execution.Outcome!.What is Happening.Granted or Happening.Contended)
                {
                    coming.Enqueue(execution, execution.OutcomeAt);
                }
                else if (execution.Outcome.What == Happening.Unavailable && !IsExcused(story, execution, answered.Count == 0 ? null : answered[^1]))
                {
                    yield return Violation.Of(Rule.Unavailable, $"The {execution.Name} was told that nobody can be asked, and nothing was broken.", execution.Asked, execution.Outcome);
                }
            }
        }
    }

    private static bool IsExcused(Story story, Execution execution, Execution? answered)
    {
        Periods troubles = story.TroublesOf(execution.Process, execution.Lock);
        return troubles.Touches(execution.AskedAt, execution.OutcomeAt)
            || story.Starvation.Touches(execution.AskedAt, execution.OutcomeAt)
            || (troubles.LastEndBefore(execution.AskedAt) is { } over && !(answered?.AskedAt > over));
    }
}
