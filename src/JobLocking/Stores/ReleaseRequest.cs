namespace JobLocking.Stores;

/// <summary>The end of a lease.</summary>
/// <param name="Name">The resolved name of its lock.</param>
/// <param name="LeaseId">The id it was acquired with.</param>
/// <param name="KeepFor">How long the lock stays taken, without a lease; zero to free it at once.</param>
/// <param name="Occurrence">What becomes of the occurrence it ran; null for none.</param>
public sealed record ReleaseRequest(string Name, string LeaseId, TimeSpan KeepFor = default, OccurrenceEnd? Occurrence = null);

/// <summary>How the run of an occurrence ended.</summary>
/// <param name="Occurrence">The occurrence.</param>
/// <param name="Holder">Who ran it, for the mark.</param>
/// <param name="DoneFor">
/// How long it is remembered as done. The mark is written if it is this lease's or absent. Null when the run was aborted:
/// then a mark of this lease is removed.
/// </param>
public sealed record OccurrenceEnd(LockOccurrence Occurrence, LockHolder Holder, TimeSpan? DoneFor);

/// <summary>What a release found.</summary>
public enum ReleaseOutcome
{
    /// <summary>The lease held the lock and has ended.</summary>
    Released,

    /// <summary>The lock was held by another, or kept; nothing was freed.</summary>
    NotYours,

    /// <summary>Nobody held the lock.</summary>
    Missing,
}
