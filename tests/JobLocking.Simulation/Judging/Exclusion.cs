using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>
/// No more holders believe in a lease than the smallest of their limits allows; tokens are unique and grow; a lock that was held briefly
/// stays taken for its minimum hold.
/// </summary>
internal static class Exclusion
{
    public static IEnumerable<string> Violations(Evidence evidence)
    {
        foreach (IGrouping<string, Lease> ofLock in evidence.Leases.GroupBy(lease => lease.Held.Lock))
        {
            Lease[] leases = [.. ofLock];
            foreach (string overlap in Overlaps(evidence, leases, held => held.Limit))
            {
                yield return $"{ofLock.Key}: {overlap}";
            }

            foreach (string token in Tokens(evidence, leases).Concat(TooSoon(evidence, leases)))
            {
                yield return $"{ofLock.Key}: {token}";
            }
        }
    }

    /// <summary>Holders that believed at once, above their limit, although the server kept its data.</summary>
    public static IEnumerable<string> Overlaps(Evidence evidence, Lease[] leases, Func<Fact.Held, int> limitOf)
    {
        foreach ((Lease lease, long from) in leases.SelectMany(lease => lease.Awake.Select(span => (lease, span.From))))
        {
            Lease[] all = [.. leases.Where(other => other.IsBelievedAt(from))];
            if (all.Length > all.Min(other => limitOf(other.Held)))
            {
                Lease[] unharmed = [.. all.Where(other => !evidence.WasHarmed(other, from))];
                if (unharmed.Length > 0 && unharmed.Length > unharmed.Min(other => limitOf(other.Held)))
                {
                    yield return $"at {History.Moment(from)}, when {lease.Name} began or thawed, too many believe: {string.Join(", ", unharmed.Select(other => other.ToString()))}";
                    yield break;
                }
            }
        }
    }

    private static IEnumerable<string> Tokens(Evidence evidence, Lease[] leases)
    {
        foreach (Lease later in leases)
        {
            foreach (Lease earlier in leases)
            {
                bool isOutOfOrder = earlier.Held.At < later.AskedAt && earlier.Held.Token >= later.Held.Token;
                bool isTwin = earlier != later && earlier.Held.Token == later.Held.Token;
                if ((isOutOfOrder || isTwin) && !MayRepeat(evidence, earlier, later))
                {
                    yield return $"tokens do not grow: {earlier}, then {later}";
                }
            }
        }
    }

    /// <summary>Only a server that has forgotten the last token and whose clock was set back.</summary>
    private static bool MayRepeat(Evidence evidence, Lease earlier, Lease later)
    {
        bool isForgotten = evidence.Facts.Any(fact => fact is Fact.DataLost && fact.At >= earlier.AskedAt && fact.At <= later.Held.At);
        return isForgotten && evidence.Facts.Any(fact => fact is Fact.ClockStepped { By.Ticks: < 0 } && fact.At <= later.Held.At);
    }

    private static IEnumerable<string> TooSoon(Evidence evidence, Lease[] leases)
    {
        foreach (Lease first in leases.Where(lease => lease.How == End.Released && lease.Held is { MinHold.Ticks: > 0, Limit: 1 }))
        {
            // Clocks may differ by 1 %, as everywhere.
            long until = first.CountsFrom + (long)(first.Held.MinHold.Ticks * 0.99) - TimeSpan.TicksPerMillisecond;
            foreach (Lease next in leases)
            {
                long granted = next.Touched.Count > 0 ? next.Touched.Min(touch => touch.At) : next.Held.At;
                if (granted > first.EndedAt && granted < until && !evidence.WasHarmed(first, granted))
                {
                    yield return $"granted before the minimum hold was over: {first}, then {next}";
                }
            }
        }
    }
}
