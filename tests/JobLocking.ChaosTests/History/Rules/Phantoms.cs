using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A lock is refused only where somebody may hold it. Judged where nothing was broken for an expiry: what a fault left behind is gone by then.
/// This is how a release that did not release shows, and a lease that was granted to nobody.
/// </summary>
internal static class Phantoms
{
    public static IEnumerable<Violation> Check(Story story)
    {
        foreach (IGrouping<string, Execution> ofLock in story.ByLock)
        {
            LockTerms terms = story.Terms.Of(ofLock.Key);
            long aftermath = Terms.Ticks(terms.Expiry + story.Terms.Grace);
            Periods taken = Periods.Where(ofLock.Select(e => Possession.Possible(story, e)).OfType<Period>(), terms.Limit);
            foreach (Execution execution in ofLock.Where(e => e.Outcome?.What == Happening.Contended))
            {
                if (!taken.Touches(execution.AskedAt, execution.OutcomeAt) && !story.AllFaults.Touches(execution.AskedAt - aftermath, execution.OutcomeAt))
                {
                    yield return Violation.Of(Rule.Phantom, $"The {execution.Name} was refused lock '{ofLock.Key}', which nobody could have held.", execution.Asked, execution.Outcome);
                }
            }
        }
    }
}
