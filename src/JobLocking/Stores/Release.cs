namespace JobLocking.Stores;

/// <summary>The end of a lease.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="LeaseId">The id the lease was acquired with.</param>
/// <param name="KeepFor">How long the lock stays taken, without a lease; zero to free it at once.</param>
/// <param name="Occurrence">What becomes of the occurrence it ran; null for none.</param>
/// <param name="Limit">The limit it was acquired with.</param>
/// <param name="Spends">
/// The deferral that the lease has spent without a run: it can be spent again, unless another lease has spent it. Null for none.
/// </param>
public readonly record struct ReleaseRequest(
    string Name, string LeaseId, TimeSpan KeepFor = default, OccurrenceEnd? Occurrence = null, int Limit = 1, string? Spends = null);

/// <summary>What a release found.</summary>
public enum ReleaseOutcome
{
    /// <summary>The lease held the lock and has ended.</summary>
    Released,

    /// <summary>The lock is held by others, or kept; nothing was freed.</summary>
    NotYours,

    /// <summary>The lock is not held.</summary>
    Missing,
}
