using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A lock is refused only while an execution may hold it. Checked where nothing was broken for one expiry: by then, the leases that a fault
/// left behind are gone. This finds a release that did not release, and a lease that was granted without a holder.
/// </summary>
internal static class SpuriousRefusals
{
    public static IEnumerable<Violation> Check(IndexedHistory history)
    {
        foreach (IGrouping<string, Execution> ofLock in history.ByLock)
        {
            LockTerms terms = history.Terms.Of(ofLock.Key);
            long aftermath = Terms.Ticks(terms.Expiry + history.Terms.Grace);
            IntervalSet taken = IntervalSet.Where(ofLock.Select(e => Possession.Possible(history, e)).OfType<Interval>(), terms.Limit);
            foreach (Execution execution in ofLock.Where(e => e.Outcome?.What == HistoryEventKind.Contended))
            {
                if (!taken.Touches(execution.AskedAt, execution.OutcomeAt) && !history.AllFaults.Touches(execution.AskedAt - aftermath, execution.OutcomeAt))
                {
                    yield return Violation.Of(Rule.SpuriousRefusal, $"The {execution.Name} was refused lock '{ofLock.Key}', which no execution could have held.", execution.Asked, execution.Outcome);
                }
            }
        }
    }
}
