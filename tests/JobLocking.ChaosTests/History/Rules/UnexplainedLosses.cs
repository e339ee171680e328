using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A lease ends before its time only if something was wrong with its process, its link or the server, or the lock was erased.
/// This finds an execution that released, broke or took the lease of another.
/// </summary>
internal static class UnexplainedLosses
{
    public static IEnumerable<Violation> Check(IndexedHistory history) =>
        from execution in history.Executions
        where execution.Lock.Length > 0
        let loss = execution.Loss
        where loss is not null
        where !history.TroublesOf(execution.Process, execution.Lock).Touches(execution.AskedAt, loss.At)
            && !history.ErasuresOf(execution.Lock).Touches(execution.AskedAt, loss.At)
            && !HasStalled(execution, Terms.Ticks(history.Terms.Of(execution.Lock).Expiry))
        select Violation.Of(Rule.UnexplainedLoss, $"The {execution.Name} lost its lease without a cause.", execution.Landmarks);

    /// <summary>A holder that reports nothing for a renewal interval got no processor time, and may not have renewed in time.</summary>
    private static bool HasStalled(Execution execution, long expiry)
    {
        long loss = execution.Loss!.At;
        return execution.Events.Zip(execution.Events.Skip(1))
            .Any(pair => pair.Second.At <= loss && pair.Second.At > loss - expiry && pair.Second.At - pair.First.At > expiry / 3
                && pair.First.What != HistoryEventKind.Asked);
    }
}
