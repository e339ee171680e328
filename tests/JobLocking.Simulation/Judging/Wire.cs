using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>
/// What a process requests from the server: nothing for a released lease, nothing for another's; and it uses or releases what was granted.
/// </summary>
internal static class Wire
{
    public static IEnumerable<string> Violations(Evidence evidence)
    {
        Dictionary<string, string> askedBy = new(StringComparer.Ordinal);
        Dictionary<string, Fact.Sent> released = new(StringComparer.Ordinal);
        Dictionary<string, Fact.Ended> ended = new(StringComparer.Ordinal);
        HashSet<int> answered = [];
        HashSet<string> held = [.. evidence.Leases.Select(lease => lease.Name)];
        Dictionary<string, long> granted = new(StringComparer.Ordinal);
        Dictionary<int, string> refused = [];
        HashSet<string> knownRefused = [];
        foreach (Fact fact in evidence.Facts)
        {
            switch (fact)
            {
                case Fact.Sent { StoreCall: StoreCall.Acquire } sent:
                    askedBy.TryAdd(sent.Lease, sent.Node);
                    break;
                case Fact.Sent { StoreCall: StoreCall.Renew } sent when released.ContainsKey(sent.Lease):
                    yield return $"{sent.Lease} is renewed at {History.Moment(sent.At)} after it was given back";
                    break;
                case Fact.Sent { StoreCall: StoreCall.Release } sent:
                    released.TryAdd(sent.Lease, sent);
                    if (askedBy.GetValueOrDefault(sent.Lease) != sent.Node)
                    {
                        yield return $"{sent.Node} gives back {sent.Lease}, which it did not ask for";
                    }

                    break;
                case Fact.Applied { StoreCall: StoreCall.Acquire, Done: true } applied:
                    granted.TryAdd(applied.Lease, applied.At);
                    break;
                case Fact.Applied { StoreCall: StoreCall.Acquire, Done: false } applied:
                    refused[applied.Call] = applied.Lease;
                    break;
                case Fact.Answered one:
                    answered.Add(one.Call);
                    if (one.IsKnown && refused.TryGetValue(one.Call, out string? lease))
                    {
                        // If it was requested once more, the lease had expired by then, or the request had not arrived yet: it ends by
                        // itself.
                        knownRefused.Add(lease);
                    }

                    break;
                case Fact.Ended { How: End.Released or End.ReleasedEarly } one:
                    ended.TryAdd(one.Lease, one);
                    break;
                case Fact.Returned returned when released.TryGetValue(returned.Lease, out Fact.Sent? release) && !answered.Contains(release.Call):
                    yield return $"{returned.Lease} is said to be given back at {History.Moment(returned.At)}, before there is an answer";
                    break;
            }
        }

        foreach (Lease lease in evidence.Leases.Where(lease => lease.How is End.Released or End.ReleasedEarly))
        {
            if (!released.TryGetValue(lease.Name, out Fact.Sent? release) || release.At > lease.EndedAt)
            {
                yield return $"not given back: {lease}";
            }
        }

        foreach ((string lease, long at) in granted)
        {
            if (!held.Contains(lease) && !knownRefused.Contains(lease) && !released.ContainsKey(lease) && !evidence.Gone.ContainsKey(askedBy[lease]))
            {
                yield return $"{lease} was granted at {History.Moment(at)}, and {askedBy[lease]} neither took it nor gave it back";
            }
        }
    }
}
