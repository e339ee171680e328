using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>What was written is there, once. Whoever was killed between its claim and its word may have written and not told.</summary>
internal static class Count
{
    public static IEnumerable<Violation> Check(Story story) =>
        from terms in story.Terms.Locks
        where terms.Value.Count is not null
        let executions = story.Executions.Where(e => e.Lock == terms.Key).ToArray()
        let told = executions.Sum(e => e.Events.Count(told => told.What == Happening.Wrote))
        let untold = executions.Count(e => e.Events[^1].What == Happening.Claimed && (story.IsDead(e.Process) || story.IsFrozenAtTheEnd(e.Process)))
        where terms.Value.Count < told || terms.Value.Count > told + untold
        select Violation.Of(Rule.Count, $"The counter under lock '{terms.Key}' says {terms.Value.Count}, but {told} times somebody wrote, and {untold} more may have.");
}
