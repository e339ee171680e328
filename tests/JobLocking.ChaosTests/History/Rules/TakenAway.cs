using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A lease ends before its time only if something was wrong with its process, its link or the server, or the lock was erased.
/// This is also how it shows that somebody released, broke or took what was not his.
/// </summary>
internal static class TakenAway
{
    public static IEnumerable<Violation> Check(Story story) =>
        from execution in story.Executions
        where execution.Lock.Length > 0
        let loss = execution.Loss
        where loss is not null
        where !story.TroublesOf(execution.Process, execution.Lock).Touches(execution.AskedAt, loss.At)
            && !story.ErasuresOf(execution.Lock).Touches(execution.AskedAt, loss.At)
            && !HasStalled(execution, Terms.Ticks(story.Terms.Of(execution.Lock).Expiry))
        select Violation.Of(Rule.TakenAway, $"The {execution.Name} lost its lease without a cause.", execution.Landmarks);

    /// <summary>A holder that says nothing for as long as a renewal may take to be due did not get the processor, and may not have renewed in time.</summary>
    private static bool HasStalled(Execution execution, long expiry)
    {
        long loss = execution.Loss!.At;
        return execution.Events.Zip(execution.Events.Skip(1))
            .Any(pair => pair.Second.At <= loss && pair.Second.At > loss - expiry && pair.Second.At - pair.First.At > expiry / 3
                && pair.First.What != Happening.Asked);
    }
}
