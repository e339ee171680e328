using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>An occurrence has one runner at a time, and none after it has succeeded.</summary>
internal static class Occurrences
{
    public static IEnumerable<string> Violations(Evidence evidence)
    {
        foreach (IGrouping<string, Lease> ofOccurrence in evidence.Leases.Where(lease => lease.Occurrence is not null).GroupBy(lease => lease.Occurrence!))
        {
            foreach (string overlap in Exclusion.Overlaps(evidence, [.. ofOccurrence], _ => 1))
            {
                yield return $"{ofOccurrence.Key} is run twice at once: {overlap}";
            }
        }

        // Which holder ran what, and whether it succeeded, is what the holder says, not what it sent to the server.
        Dictionary<string, Lease> runs = evidence.Leases.Where(lease => lease.Occurrence is not null).ToDictionary(lease => lease.Name, StringComparer.Ordinal);
        Dictionary<string, Fact.Applied> runner = new(StringComparer.Ordinal);
        Dictionary<string, Fact.Applied> succeeded = new(StringComparer.Ordinal);
        foreach (Fact fact in evidence.Facts)
        {
            switch (fact)
            {
                case Fact.DataLost:
                    runner.Clear();
                    succeeded.Clear();
                    break;
                case Fact.Applied { StoreCall: StoreCall.Acquire, Done: true, Occurrence: { } occurrence } granted:
                    if (succeeded.TryGetValue(occurrence, out Fact.Applied? success))
                    {
                        yield return $"{occurrence} is granted to {granted.Lease} at {History.Moment(granted.At)} after {success.Lease} has succeeded at {History.Moment(success.At)}";
                    }

                    runner[occurrence] = granted;
                    break;

                // A runner that was overtaken by another does not end the occurrence: the other one does.
                case Fact.Applied { StoreCall: StoreCall.Release } release
                    when runs.TryGetValue(release.Lease, out Lease? run) && run.How == End.Released
                    && (!runner.TryGetValue(run.Occurrence!, out Fact.Applied? last) || last.Lease == release.Lease):
                    succeeded.TryAdd(run.Occurrence!, release);
                    break;

                // A server that had forgotten the runner remembers its end nevertheless.
                case Fact.Applied { StoreCall: StoreCall.Release, Occurrence: { } occurrence } release:
                    runner.TryAdd(occurrence, release);
                    break;
            }
        }
    }
}
