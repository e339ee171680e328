using JobLocking.ChaosTests.History.Rules;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>
/// Judges a history by the public contract alone: it knows of leases, tokens and expiries, and nothing of how they are kept.
/// <para>
/// What the load must keep to: <c>Granted</c>, <c>Lost</c>, <c>Disowned</c>, <c>Wrote</c> and all outcomes have the time at which they
/// were known; <c>Asked</c>, <c>Claimed</c> and <c>Releasing</c> the time before the call. <c>FaultBegan</c> is told before the deed and
/// <c>FaultEnded</c> after it, so that a fault's lines enclose what it does. A process that is started in place of a killed one has another
/// name. <c>Erased</c> is told between the lines of the fault at the server that erases; its detail is <c>perhaps</c> where some locks may
/// have survived (a failover, a restart with a log that lags): that excuses, but does not oblige anybody to be told.
/// </para>
/// </summary>
internal static class Checker
{
    private static readonly Func<Story, IEnumerable<Violation>>[] All =
    [
        Exclusion.Check, Belief.Check, Tokens.Check, Count.Check, TakenAway.Check,
        Liveness.Check, Outcomes.Check, Orphans.Check, Availability.Check, Phantoms.Check,
    ];

    /// <summary>All violations, in the order of the rules; none if the history keeps the contract.</summary>
    public static IReadOnlyList<Violation> Check(IReadOnlyList<HistoryEvent> history, Terms terms)
    {
        Story story = new(history, terms);
        return [.. All.SelectMany(rule => rule(story))];
    }
}
