using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>A holder believes in its lease no longer than it may and, while nothing is broken, no less.</summary>
internal static class Belief
{
    public static IEnumerable<string> Violations(Evidence evidence)
    {
        foreach (Lease lease in evidence.Leases)
        {
            long deadline = evidence.Awake(lease.Held.Node, Deadline(evidence, lease));
            if (lease.EndedAt == long.MaxValue)
            {
                yield return $"never ended: {lease}";
            }
            else if (lease.EndedAt > deadline)
            {
                yield return $"believed after its deadline at {History.Moment(deadline)}: {lease}";
            }

            if (lease.How is End.Told or End.Threw && lease.AskedAt > evidence.CalmAt && !HasEndedByItself(lease))
            {
                yield return $"lost although nothing was broken: {lease}";
            }
        }
    }

    /// <summary>
    /// For one expiry from each request that was answered in time; in all no longer than the longest hold, on a clock that may be 1 % slow.
    /// </summary>
    private static long Deadline(Evidence evidence, Lease lease)
    {
        long deadline = long.MinValue;
        foreach ((long at, long until) in lease.Believed.OrderBy(one => one.At))
        {
            if (deadline == long.MinValue || at <= evidence.Awake(lease.Held.Node, deadline))
            {
                deadline = Math.Max(deadline, until);
            }
        }

        TimeSpan longest = lease.Held.MaxHold;
        return longest == TimeSpan.Zero ? deadline : Math.Min(deadline, lease.CountsFrom + (long)(longest.Ticks * 1.01));
    }

    private static bool HasEndedByItself(Lease lease) =>
        lease.Held.MaxHold > TimeSpan.Zero && lease.EndedAt >= lease.CountsFrom + (long)(lease.Held.MaxHold.Ticks * 0.98) - (4 * TimeSpan.TicksPerMillisecond);
}
