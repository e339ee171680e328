namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// Never more executions than the limit hold a lock, and there is no tolerance in time. An execution certainly holds its lease from the
/// moment it learned of it to the moment it last found it valid. A frozen execution claims nothing meanwhile, so only a claim after the
/// thaw can prove a violation. Only an execution that was granted before the lock was erased may overlap with one that was granted after.
/// </summary>
internal static class Exclusion
{
    public static IEnumerable<Violation> Check(IndexedHistory history)
    {
        foreach (IGrouping<string, Execution> ofLock in history.ByLock)
        {
            int limit = history.Terms.Of(ofLock.Key).Limit;
            IntervalSet erasures = history.ErasuresOf(ofLock.Key);
            // An execution that was granted while the lock was erased may belong to either side: it proves nothing.
            IEnumerable<IGrouping<int, Execution>> holdings = ofLock.Where(e => e.Granted is not null && e.LastClaim is not null)
                .Where(e => erasures.Epoch(e.AskedAt, e.OutcomeAt) is not null)
                .GroupBy(e => erasures.Epoch(e.AskedAt, e.OutcomeAt)!.Value);
            foreach (Violation violation in holdings.SelectMany(group => Overlaps(ofLock.Key, limit, group)))
            {
                yield return violation;
            }
        }
    }

    private static IEnumerable<Violation> Overlaps(string name, int limit, IEnumerable<Execution> holdings)
    {
        PriorityQueue<Execution, long> holding = new();
        foreach (Execution next in holdings.Where(e => e.LastClaim!.At >= e.OutcomeAt).OrderBy(e => e.OutcomeAt))
        {
            while (holding.TryPeek(out _, out long until) && until < next.OutcomeAt)
            {
                holding.Dequeue();
            }

            holding.Enqueue(next, next.LastClaim!.At);
            if (holding.Count > limit)
            {
                yield return Violation.Of(Rule.Exclusion, $"{holding.Count} hold lock '{name}' at {next.OutcomeAt}, whose limit is {limit}.",
                    holding.UnorderedItems.SelectMany(h => h.Element.Landmarks));
            }
        }
    }
}
