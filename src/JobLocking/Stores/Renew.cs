namespace JobLocking.Stores;

/// <summary>A lease to be renewed.</summary>
/// <param name="Name">The resolved name of its lock.</param>
/// <param name="LeaseId">The id it was acquired with.</param>
/// <param name="Expiry">How long it lives from now on, at least.</param>
/// <param name="Occurrence">The occurrence it runs; null for none.</param>
/// <param name="Limit">The limit it was acquired with.</param>
public readonly record struct RenewRequest(string Name, string LeaseId, TimeSpan Expiry, LockOccurrence? Occurrence = null, int Limit = 1);

/// <summary>What became of a renewal.</summary>
public enum RenewOutcome
{
    /// <summary>Not known: the store failed for this lease. The renewal can be tried again until the deadline of the lease.</summary>
    Transient,

    /// <summary>The lease lives on.</summary>
    Renewed,

    /// <summary>The lock is held by another.</summary>
    NotYours,

    /// <summary>The lock is not held.</summary>
    Missing,
}

/// <summary>What became of the renewal of one lease.</summary>
/// <param name="Index">Which of the requests it answers.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="SentAt">
/// When the request was sent, by <see cref="TimeProvider.GetTimestamp"/>: the lease counts its time from then on. 0 to count it from the
/// call.
/// </param>
public readonly record struct RenewResult(int Index, RenewOutcome Outcome, long SentAt = 0);
