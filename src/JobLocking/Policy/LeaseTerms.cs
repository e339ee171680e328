namespace JobLocking.Policy;

/// <summary>How a lease is held; <see cref="TimeSpan.Zero"/> where there is no longest or shortest time.</summary>
internal readonly record struct LeaseTerms(TimeSpan Expiry, TimeSpan MaxHold, TimeSpan MinHold, int Limit = 1)
{
    /// <summary>Nobody wants to wait longer for the lock of a process that died; who writes more has mistaken the unit.</summary>
    public static readonly TimeSpan LongestExpiry = TimeSpan.FromDays(7);
}
