using JobLocking.Policy;
using JobLocking.Stores;

namespace JobLocking.Leasing;

/// <summary>The lease that one execution, or one lock taken by hand, requests from the store.</summary>
/// <param name="Template">The template of the lock's name; metrics use it to tell locks apart.</param>
/// <param name="Name">The resolved name.</param>
/// <param name="Terms">How long the lock is held, and how many leases may hold it at once.</param>
/// <param name="Holder">The future holder.</param>
/// <param name="Occurrence">The occurrence that runs under the lease; null for none.</param>
/// <param name="Workers">The workers of the scheduler that asks; null for a lock taken by hand.</param>
/// <param name="AsksWhetherHolderAnswers">As in <see cref="AcquireRequest"/>.</param>
internal sealed record LeaseRequest(
    string Template,
    string Name,
    LeaseTerms Terms,
    LockHolder Holder,
    LockOccurrence? Occurrence = null,
    LockWorkers? Workers = null,
    bool AsksWhetherHolderAnswers = false);
