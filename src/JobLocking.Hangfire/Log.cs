using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>Everything that the Hangfire adapter logs.</summary>
internal static partial class Log
{
    /// <summary>One category for the adapter, below that of core.</summary>
    public const string Category = "JobLocking.Hangfire";

    [LoggerMessage(EventIds.ParameterRefused, LogLevel.Warning, "{Storage} does not set a job parameter together with the state of the job, although it may claim to. JobLocking sets it just before, which has the same effect unless the storage fails in between. Update the package of the storage if there is a newer one. Logged once")]
    public static partial void ParameterRefused(ILogger logger, Exception error, string storage);

    [LoggerMessage(EventIds.RecordNotWritten, LogLevel.Error, "Job #{Execution}: {Storage} did not set the job parameter {Parameter}. The job is skipped, deferred or woken nevertheless, but its position in the waiting queue and its number of deferrals may be lost, and GiveUpAfter may start again. Check the storage")]
    public static partial void RecordNotWritten(ILogger logger, Exception error, string execution, string storage, string parameter);

    [LoggerMessage(EventIds.QueueNotRead, LogLevel.Error, "Job #{Execution}: {Storage} did not say which queue the job was enqueued in. After a deferral it is enqueued in the default queue: make sure that a server works on it, or move the job")]
    public static partial void QueueNotRead(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(EventIds.Coalesced, LogLevel.Information, "Job {Job} #{Execution} coalesced with a deferral of the same recurring job that is pending: {Reason}")]
    public static partial void Coalesced(ILogger logger, string job, string execution, string reason);

    [LoggerMessage(EventIds.DeferralNotCounted, LogLevel.Warning, "Job #{Execution}: {Storage} does not count the deferrals of its recurring job, so more of them may be pending than intended. Check the storage")]
    public static partial void DeferralNotCounted(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(EventIds.ScheduleNotRead, LogLevel.Warning, "{Storage} did not say whether recurring job '{RecurringJob}' runs again by itself, so the job is deferred instead of skipped. Check the storage")]
    public static partial void ScheduleNotRead(ILogger logger, Exception error, string recurringJob, string storage);

    [LoggerMessage(EventIds.RunsOnEachNode, LogLevel.Warning, "These recurring jobs have a lock that nodes share, but each node has its own storage ({Storage}): each node runs them, one node after the other: {RecurringJobs}. Set MinHold to more than the difference between the clocks of the nodes, for example 30 seconds, or give the nodes a common storage")]
    public static partial void RunsOnEachNode(ILogger logger, string recurringJobs, string storage);

    [LoggerMessage(EventIds.TooManyPending, LogLevel.Warning, "Job {Job} #{Execution} coalesces instead of being deferred: {Count} deferrals of the same recurring job, whose schedule wants each execution, are already pending. Find out what holds the lock, or set MisfireHandling to Relaxed; {Reason}")]
    public static partial void TooManyPending(ILogger logger, string job, string execution, int count, string reason);

    [LoggerMessage(EventIds.FilterMissing, LogLevel.Warning, "Jobs may run without their locks: {Jobs}. {Why} Fix: {Fix}")]
    public static partial void FilterMissing(ILogger logger, string jobs, string why, string fix);

    [LoggerMessage(EventIds.InnerJobIgnored, LogLevel.Warning, "Job {Job} was performed inside job #{Execution} and was {Outcome}, because lock '{LockName}' is not available. The outer job handled the exception that says so, and continued: the work of the inner job is not done, and JobLocking does not retry it. Fix: let the exception pass through")]
    public static partial void InnerJobIgnored(ILogger logger, string job, string execution, string outcome, string lockName);

    [LoggerMessage(EventIds.DeferralStateNotRead, LogLevel.Warning, "Job #{Execution} left its queue without being run, and {Storage} did not say whether the job was waiting for a lock. If it was, the next waiter is woken a few seconds later. Check the storage")]
    public static partial void DeferralStateNotRead(ILogger logger, Exception error, string execution, string storage);
}
