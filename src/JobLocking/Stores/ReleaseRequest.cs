namespace JobLocking.Stores;

/// <summary>The end of a lease, or of a wait.</summary>
/// <param name="Name">The resolved name of the lock.</param>
/// <param name="LeaseId">The id the lease was acquired with; null where only a wait ends.</param>
/// <param name="KeepFor">How long the lock stays taken, without a lease; zero to free it at once.</param>
/// <param name="Occurrence">What becomes of the occurrence it ran; null for none.</param>
/// <param name="Limit">The limit it was acquired with, or asked for.</param>
/// <param name="WaiterId">The id of an execution that does not wait any more; null for none.</param>
/// <param name="Spends">The deferral that the lease has spent without a run: it can be spent again. Null for none. That of another lease is left alone.</param>
/// <param name="Unaccepted">
/// The id of an execution that was woken and has not asked for the lock in time. The store wakes the next only if no other was woken
/// or left the queue since, and if fewer than three were woken in a row for this reason. Null to wake the next in any case.
/// </param>
public readonly record struct ReleaseRequest(
    string Name,
    string? LeaseId,
    TimeSpan KeepFor = default,
    OccurrenceEnd? Occurrence = null,
    int Limit = 1,
    string? WaiterId = null,
    string? Spends = null,
    string? Unaccepted = null);

/// <summary>How the run of an occurrence ended.</summary>
public enum OccurrenceOutcome
{
    /// <summary>It did not come to its end, through no fault of the job: another node shall run it.</summary>
    Unfinished,

    /// <summary>It succeeded: nobody runs it again.</summary>
    Succeeded,

    /// <summary>It failed: only a retry runs it again.</summary>
    Failed,
}

/// <summary>The end of the run of an occurrence. A mark of another lease is left alone.</summary>
/// <param name="Occurrence">The occurrence.</param>
/// <param name="Holder">Who ran it, for the mark.</param>
/// <param name="Outcome">How it ended: the mark is written, or removed if it was unfinished.</param>
/// <param name="Retention">How long the mark is kept.</param>
public sealed record OccurrenceEnd(LockOccurrence Occurrence, LockHolder Holder, OccurrenceOutcome Outcome, TimeSpan Retention);

/// <summary>What a release found.</summary>
public enum ReleaseOutcome
{
    /// <summary>The lease held the lock and has ended.</summary>
    Released,

    /// <summary>The lock was held by others, or kept; nothing was freed.</summary>
    NotYours,

    /// <summary>Nobody held the lock.</summary>
    Missing,
}
