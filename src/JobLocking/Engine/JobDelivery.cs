namespace JobLocking.Engine;

/// <summary>A job that its scheduler stores under an id, and may deliver to a second worker while the first still runs it.</summary>
/// <param name="JobId">
/// Identifies the job among those of all schedulers that share the store. Two that did not know each other's runs would run a job twice.
/// </param>
/// <param name="IsSecond">
/// The scheduler says that the job is running already. The job runs only if the store does not remember that run: the worker that began it
/// has died.
/// </param>
public sealed record JobDelivery(string JobId, bool IsSecond);
