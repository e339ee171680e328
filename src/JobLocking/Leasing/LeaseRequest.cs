using JobLocking.Policy;
using JobLocking.Stores;

namespace JobLocking.Leasing;

/// <summary>A lease that somebody wants.</summary>
/// <param name="Template">The template of the lock's name, by which metrics tell leases apart.</param>
/// <param name="Name">The resolved name.</param>
/// <param name="Terms">How it will be held.</param>
/// <param name="Holder">Who wants it.</param>
/// <param name="Occurrence">The occurrence that will be run under it; null for none.</param>
/// <param name="Workers">The workers among which it asks; null for a lock taken by hand.</param>
internal sealed record LeaseRequest(
    string Template, string Name, LeaseTerms Terms, LockHolder Holder, LockOccurrence? Occurrence = null, LockWorkers? Workers = null);
