using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>Everything that the Hangfire adapter logs.</summary>
internal static partial class Log
{
    /// <summary>One category for the adapter, below that of core.</summary>
    public const string Category = "JobLocking.Hangfire";

    [LoggerMessage(
        EventIds.ParameterRefused,
        LogLevel.Warning,
        "{Storage} cannot set a job parameter together with the state of the job, although it may claim to. JobLocking sets it just"
        + " before, which is the same unless the storage fails in between. Update the package of the storage if there is a newer one."
        + " Logged once")]
    public static partial void ParameterRefused(ILogger logger, Exception error, string storage);

    [LoggerMessage(
        EventIds.RecordNotWritten,
        LogLevel.Error,
        "Job #{Execution}: {Storage} did not set the job parameter {Parameter}. The job is still skipped, deferred or woken, but "
        + "its position in the waiting queue and its number of deferrals may be lost, and GiveUpAfter may start again. Check the "
        + "storage")]
    public static partial void RecordNotWritten(ILogger logger, Exception error, string execution, string storage, string parameter);

    [LoggerMessage(
        EventIds.QueueNotRead,
        LogLevel.Error,
        "Job #{Execution}: the queue of the job could not be read from {Storage}. After the deferral the job is enqueued in the "
        + "default queue. Make sure that a server works on that queue, or move the job")]
    public static partial void QueueNotRead(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(
        EventIds.Coalesced,
        LogLevel.Information,
        "Job {Job} #{Execution} coalesced with a pending deferral of the same recurring job: {Reason}")]
    public static partial void Coalesced(ILogger logger, string job, string execution, string reason);

    [LoggerMessage(
        EventIds.DeferralNotCounted,
        LogLevel.Warning,
        "Job #{Execution}: {Storage} could not count the deferrals of its recurring job, so more of them may wait than allowed. "
        + "Check the storage")]
    public static partial void DeferralNotCounted(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(
        EventIds.ScheduleNotRead,
        LogLevel.Warning,
        "Could not read from {Storage} whether recurring job '{RecurringJob}' runs again by itself, so it is deferred instead of "
        + "skipped. Check the storage")]
    public static partial void ScheduleNotRead(ILogger logger, Exception error, string recurringJob, string storage);

    [LoggerMessage(
        EventIds.RunsOnEachNode,
        LogLevel.Warning,
        "The nodes share the locks of these recurring jobs, but each node has its own storage ({Storage}), so each node runs them, "
        + "one after the other: {RecurringJobs}. Set MinHold longer than the difference between the clocks of the nodes, for example "
        + "30 seconds, or give the nodes one storage")]
    public static partial void RunsOnEachNode(ILogger logger, string recurringJobs, string storage);

    [LoggerMessage(
        EventIds.TooManyPending,
        LogLevel.Warning,
        "Job {Job} #{Execution} is not deferred, but coalesces: {Count} deferrals of the same recurring job, whose schedule wants "
        + "each execution, are pending. Find out what holds the lock, or set MisfireHandling to Relaxed; {Reason}")]
    public static partial void TooManyPending(ILogger logger, string job, string execution, int count, string reason);

    [LoggerMessage(EventIds.FilterMissing, LogLevel.Warning, "Jobs may run without their locks: {Jobs}. {Why} Fix: {Fix}")]
    public static partial void FilterMissing(ILogger logger, string jobs, string why, string fix);

    [LoggerMessage(
        EventIds.InnerJobIgnored,
        LogLevel.Warning,
        "Job {Job} was performed inside job #{Execution} and was {Outcome}, because lock '{LockName}' is not available. The outer "
        + "job handled the exception and went on: the work of the inner job is not done, and JobLocking does not try it again. Fix: "
        + "let the exception pass")]
    public static partial void InnerJobIgnored(ILogger logger, string job, string execution, string outcome, string lockName);

    [LoggerMessage(
        EventIds.PostponedNotDelivered,
        LogLevel.Warning,
        "Job #{Execution} was cancelled while its server stops, and {Storage} could not deliver it again at once. If the worker cannot "
        + "put it back into its queue either, it runs when its postponed delivery is due, within about a minute. Check the storage")]
    public static partial void PostponedNotDelivered(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(
        EventIds.CouldSlide,
        LogLevel.Information,
        "{Storage} delivers a job again when its run takes longer than the invisibility timeout. JobLocking leaves the run alone, and each "
        + "such delivery costs a few queries. Set UseSlidingInvisibilityTimeout in the options of the storage to avoid them")]
    public static partial void CouldSlide(ILogger logger, string storage);

    [LoggerMessage(
        EventIds.DeferralStateNotRead,
        LogLevel.Warning,
        "Job #{Execution} left its queue without a run, and its deferral could not be read from {Storage}. If it was waiting for a "
        + "lock, the next waiter is woken a few seconds later than usual. Check the storage")]
    public static partial void DeferralStateNotRead(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(
        EventIds.StateNotRead,
        LogLevel.Warning,
        "Job #{Execution} is about to run, and its present state could not be read from {Storage}. If it waited for a retry or for its "
        + "lock, it runs before its time. Check the storage")]
    public static partial void StateNotRead(ILogger logger, Exception error, string execution, string storage);

    [LoggerMessage(
        EventIds.ServicesMissing,
        LogLevel.Warning,
        "UseTaskLocks was called without AddHangfireTaskLocks. A lease that is lost does not cancel the CancellationToken of its job, "
        + "which runs on without its lock, and each second delivery of a running job adds two rows to its history. Fix: call "
        + "services.AddHangfireTaskLocks() beside AddHangfireServer")]
    public static partial void ServicesMissing(ILogger logger);

    [LoggerMessage(
        EventIds.TokenNotGiven,
        LogLevel.Warning,
        "Hangfire.Core {Version} does not let JobLocking give a job a token of its own. A lease that is lost does not cancel the "
        + "CancellationToken of its job; only TaskLease.Lost is cancelled. Fix: update JobLocking.Hangfire, or let the jobs watch Lost, "
        + "which they find with ITaskLeaseAccessor")]
    public static partial void TokenNotGiven(ILogger logger, Version? version);
}
