namespace JobLocking.Engine;

/// <summary>A job that its scheduler stores under an id, and may deliver to a second worker while the first still runs it.</summary>
/// <param name="Installation">
/// The installation of the scheduler, the same on every node; empty for one without a name of its own.
/// </param>
/// <param name="JobId">The id of the job in that installation.</param>
/// <param name="IsSecond">
/// The scheduler says that the job is running already. The job runs only if the store does not remember that run: the worker that began it
/// has died.
/// </param>
public sealed record JobDelivery(string Installation, string JobId, bool IsSecond);
