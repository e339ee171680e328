using JobLocking.ChaosTests.History.Rules;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>
/// Checks a history against the public contract alone: it knows leases, tokens and expiries, and nothing of their implementation.
/// <para>
/// What the load must follow: <c>Granted</c>, <c>Lost</c>, <c>Disowned</c>, <c>Wrote</c> and all outcomes have the time at which they
/// were known; <c>Asked</c>, <c>Claimed</c> and <c>Releasing</c> the time before the call. <c>FaultBegan</c> is reported before the fault
/// is made and <c>FaultEnded</c> after its end, so that the lines of a fault enclose its effect. A process that replaces a killed one has
/// another name. <c>Erased</c> is reported between the lines of the fault at the server that erases. Its detail is <c>perhaps</c> where
/// some locks may have survived (a failover, a restart with a log that lags): that excuses an overlap, but does not require that a loss is
/// reported.
/// </para>
/// </summary>
internal static class Checker
{
    private static readonly Func<IndexedHistory, IEnumerable<Violation>>[] All =
    [
        Exclusion.Check, Belief.Check, Tokens.Check, LostUpdates.Check, UnexplainedLosses.Check,
        Liveness.Check, Outcomes.Check, Orphans.Check, Availability.Check, SpuriousRefusals.Check,
    ];

    /// <summary>All violations, in the order of the rules; none if the history keeps the contract.</summary>
    public static IReadOnlyList<Violation> Check(IReadOnlyList<HistoryEvent> history, Terms terms)
    {
        IndexedHistory indexed = new(history, terms);
        return [.. All.SelectMany(rule => rule(indexed))];
    }
}
