namespace JobLocking.Engine;

/// <summary>How a lease is held; <see cref="TimeSpan.Zero"/> where there is no longest or shortest time.</summary>
internal readonly record struct LeaseTerms(TimeSpan Expiry, TimeSpan MaxHold, TimeSpan MinHold);
