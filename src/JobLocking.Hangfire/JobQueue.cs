using Hangfire;
using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>The queue of a job that was put into it only by its state, <c>Create(…, new EnqueuedState("critical"))</c>.</summary>
internal static class JobQueue
{
    /// <summary>The queue of the last Enqueued state of a job; null if it has had none.</summary>
    public static string? InHistory(JobStorage storage, string jobId) =>
        storage.GetMonitoringApi().JobDetails(jobId)?
            .History.FirstOrDefault(h => h.StateName == EnqueuedState.StateName)?.Data is { } enqueued
        && enqueued.TryGetValue("Queue", out string? queue) ? queue : null;
}
