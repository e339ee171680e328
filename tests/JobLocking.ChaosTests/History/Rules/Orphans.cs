using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>No key is left when all executions have released and the last expiry is over.</summary>
internal static class Orphans
{
    public static IEnumerable<Violation> Check(IndexedHistory history) =>
        history.Of(HistoryEventKind.Orphan).Select(orphan => Violation.Of(Rule.Orphan, $"A key of lock '{orphan.Lock}' outlived all executions that could have held it.", orphan));
}
