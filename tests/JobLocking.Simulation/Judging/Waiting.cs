using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>When nothing is broken, no execution waits long for a free lock, and hardly at all for a lock that was just released.</summary>
internal static class Waiting
{
    private static readonly long SafetyPoll = TimeSpan.FromSeconds(5.2).Ticks;
    private static readonly long Slack = TimeSpan.FromSeconds(1).Ticks;
    private static readonly long Handoff = TimeSpan.FromSeconds(2).Ticks;

    private sealed record Wait(string Who, string Lock, int Limit, bool ForOccurrence, bool HasMoved, long From, long To);

    public static IEnumerable<string> Violations(Evidence evidence)
    {
        if (evidence.CalmAt >= evidence.EndsAt)
        {
            yield break;
        }

        foreach (IGrouping<string, Wait> waits in Waits(evidence).GroupBy(wait => wait.Lock))
        {
            Lease[] leases = [.. evidence.Leases.Where(lease => lease.Held.Lock == waits.Key)];

            // An execution that wants to run an occurrence may have to wait for its runner, even if the lock has room.
            Wait[] forLock = [.. waits.Where(wait => !wait.ForOccurrence || leases.All(lease => lease.Held.Limit == 1))];
            long expiry = evidence.Facts.OfType<Fact.Sent>().Where(sent => sent.Lock == waits.Key && sent.StoreCall != StoreCall.Release).Max(sent => sent.Expiry).Ticks;
            foreach (string idle in Idle(forLock, leases, expiry).Concat(NotHandedOver(evidence, forLock, leases)))
            {
                yield return $"{waits.Key}: {idle}";
            }
        }
    }

    /// <summary>The waits in living processes, cut to the calm time.</summary>
    private static IEnumerable<Wait> Waits(Evidence evidence)
    {
        Dictionary<string, Fact.Waits> open = new(StringComparer.Ordinal);
        foreach (Fact fact in evidence.Facts)
        {
            IEnumerable<string> over = [];
            switch (fact)
            {
                case Fact.Waits waits:
                    open[waits.Who] = waits;
                    break;
                case Fact.WaitsNoMore no:
                    over = [no.Who];
                    break;
                case Fact.Stopping stopping:
                    over = [.. open.Values.Where(wait => wait.Node == stopping.Node).Select(wait => wait.Who)];
                    break;
                case Fact.Gone gone:
                    over = [.. open.Values.Where(wait => wait.Node == gone.Node).Select(wait => wait.Who)];
                    break;
            }

            foreach (string who in over)
            {
                if (open.Remove(who, out Fact.Waits? wait) && fact.At > evidence.CalmAt)
                {
                    yield return new Wait(who, wait.Lock, wait.Limit, wait.ForOccurrence, wait.HasMoved, Math.Max(wait.At, evidence.CalmAt), fact.At);
                }
            }
        }

        foreach (Fact.Waits wait in open.Values)
        {
            yield return new Wait(wait.Who, wait.Lock, wait.Limit, wait.ForOccurrence, wait.HasMoved, Math.Max(wait.At, evidence.CalmAt), evidence.EndsAt);
        }
    }

    private static IEnumerable<int> Limits(Wait[] waits, Lease[] leases) => waits.Select(wait => wait.Limit).Concat(leases.Select(lease => lease.Held.Limit));

    /// <summary>The lease of a holder that died blocks the lock for its expiry; then a safety poll finds it free.</summary>
    private static IEnumerable<string> Idle(Wait[] waits, Lease[] leases, long expiry)
    {
        int limit = Limits(waits, leases).DefaultIfEmpty(1).Min();
        foreach (Wait wait in waits)
        {
            long[] moments = [wait.From, .. leases.SelectMany(lease => new[] { lease.Held.At, lease.TakenUntil }).Where(at => at > wait.From && at < wait.To).Order(), wait.To];
            long idleSince = wait.From;
            foreach (long moment in moments)
            {
                if (moment - idleSince > expiry + SafetyPoll + Slack)
                {
                    yield return $"has had room since {History.Moment(idleSince)}, and {wait.Who} waits still at {History.Moment(moment)}";
                    break;
                }

                if (leases.Count(lease => lease.Held.At <= moment && moment < lease.TakenUntil) >= limit)
                {
                    idleSince = long.MaxValue;
                }
                else if (idleSince == long.MaxValue)
                {
                    idleSince = moment;
                }
            }
        }
    }

    /// <summary>
    /// After a release an execution soon requests the lock, if one has waited long enough to be known. This is not promised with
    /// different limits; nor with a kept lock, whose end the waiter may have to wait for; nor for an execution that another process
    /// has deferred before, since that process may be woken instead.
    /// </summary>
    private static IEnumerable<string> NotHandedOver(Evidence evidence, Wait[] waits, Lease[] leases)
    {
        HashSet<string> kept = [.. leases.Where(lease => lease.Held.MinHold > TimeSpan.Zero).Select(lease => lease.Name)];
        if (waits.Length == 0 || Limits(waits, leases).Distinct().ToArray() is not [var limit] || (limit > 1 && kept.Count > 0))
        {
            yield break;
        }

        // A request that was on its way when the lock came free gets it before a woken waiter.
        long[] asked = [.. evidence.Facts.Where(fact => fact is Fact.Sent { StoreCall: StoreCall.Acquire } sent && sent.Lock == waits[0].Lock
            || fact is Fact.Applied { StoreCall: StoreCall.Acquire } applied && applied.Lock == waits[0].Lock).Select(fact => fact.At)];
        foreach (Fact.Applied release in evidence.Facts.OfType<Fact.Applied>())
        {
            if (release is { StoreCall: StoreCall.Release, Done: true } && release.Lock == waits[0].Lock && release.At > evidence.CalmAt && !kept.Contains(release.Lease)
                && Array.Find(waits, wait => !wait.HasMoved && wait.From < release.At - SafetyPoll - Slack && wait.To > release.At + Handoff) is { } wait
                && !Array.Exists(asked, at => at >= release.At && at <= release.At + Handoff))
            {
                yield return $"was released by {release.Lease} at {History.Moment(release.At)}, and no execution requested it, although {wait.Who} waits";
            }
        }
    }
}
