namespace JobLocking.Policy;

/// <summary>How a lease is held; <see cref="TimeSpan.Zero"/> where there is no longest or shortest time.</summary>
internal readonly record struct LeaseTerms(TimeSpan Expiry, TimeSpan MaxHold, TimeSpan MinHold, int Limit = 1)
{
    /// <summary>After a crash the lock stays taken for this long. A longer time is most likely a wrong unit.</summary>
    public static readonly TimeSpan LongestExpiry = TimeSpan.FromDays(7);
}
