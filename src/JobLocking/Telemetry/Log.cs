using Microsoft.Extensions.Logging;

namespace JobLocking.Telemetry;

/// <summary>All log messages of the package JobLocking.</summary>
internal static partial class Log
{
    /// <summary>The package has one category, so that one line of configuration sets its level.</summary>
    public const string Category = "JobLocking";

    [LoggerMessage(EventIds.Acquired, LogLevel.Debug, "Lock '{LockName}' acquired with fencing token {FencingToken}: {Holder}")]
    public static partial void Acquired(ILogger logger, string lockName, long fencingToken, LockHolder holder);

    [LoggerMessage(EventIds.Released, LogLevel.Debug, "Lock '{LockName}' with fencing token {FencingToken} released: {Outcome}")]
    public static partial void Released(ILogger logger, string lockName, long fencingToken, string outcome);

    [LoggerMessage(
        EventIds.ReleasedTooLate,
        LogLevel.Warning,
        "Lock '{LockName}' with fencing token {FencingToken} was no longer held when it was released ({Outcome}): "
        + "another execution may have run at the same time")]
    public static partial void ReleasedTooLate(ILogger logger, string lockName, long fencingToken, string outcome);

    [LoggerMessage(
        EventIds.ReleaseFailed,
        LogLevel.Warning,
        "Lock '{LockName}' could not be released; retrying in the background. If that fails too, the lock expires within {Expiry}")]
    public static partial void ReleaseFailed(ILogger logger, Exception error, string lockName, TimeSpan expiry);

    [LoggerMessage(
        EventIds.ReleaseGivenUp,
        LogLevel.Warning,
        "Lock '{LockName}' was not released, and is not released again. If the lock was held, it ends at its expiry")]
    public static partial void ReleaseGivenUp(ILogger logger, Exception error, string lockName);

    [LoggerMessage(
        EventIds.LeaseLost,
        LogLevel.Warning,
        "Lock '{LockName}' with fencing token {FencingToken} was lost ({Loss}) while it was held by {Holder}: {Cause}. {Advice}")]
    public static partial void LeaseLost(
        ILogger logger, string lockName, long fencingToken, string loss, LockHolder holder, string cause, string advice);

    [LoggerMessage(EventIds.LostCallbackFailed, LogLevel.Error, "A callback on TaskLease.Lost of lock '{LockName}' threw an exception")]
    public static partial void LostCallbackFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(
        EventIds.RenewalFailed,
        LogLevel.Warning,
        "{Count} leases could not be renewed, among them that of lock '{LockName}'; retrying until their deadlines")]
    public static partial void RenewalFailed(ILogger logger, Exception error, int count, string lockName);

    [LoggerMessage(
        EventIds.SucceededAfterLoss,
        LogLevel.Warning,
        "Job {Job} #{Execution} succeeded after its lock '{LockName}' was lost: another execution may have run at the same time")]
    public static partial void SucceededAfterLoss(ILogger logger, string? job, string? execution, string lockName);

    [LoggerMessage(
        EventIds.NotDrained,
        LogLevel.Warning,
        "The host stops while {Count} releases or callbacks on lost locks are still running; locks that are not released expire")]
    public static partial void NotDrained(ILogger logger, int count);

    [LoggerMessage(
        EventIds.Skipped,
        LogLevel.Information,
        "Job {Job} #{Execution} skipped: {Reason}; time left {TimeLeft}; lock '{LockName}', holder {Holder}")]
    public static partial void Skipped(
        ILogger logger, string job, string execution, string reason, TimeSpan? timeLeft, string lockName, LockHolder? holder);

    [LoggerMessage(
        EventIds.Deferred,
        LogLevel.Information,
        "Job {Job} #{Execution} deferred by {Delay} (deferral {Deferrals}): {Reason}; "
        + "time left {TimeLeft}; lock '{LockName}', holder {Holder}")]
    public static partial void Deferred(
        ILogger logger,
        string job,
        string execution,
        TimeSpan delay,
        int deferrals,
        string reason,
        TimeSpan? timeLeft,
        string lockName,
        LockHolder? holder);

    [LoggerMessage(EventIds.Failed, LogLevel.Warning, "Job {Job} #{Execution} failed because it could not get lock '{LockName}': {Reason}")]
    public static partial void Failed(ILogger logger, string job, string execution, string lockName, string reason);

    [LoggerMessage(
        EventIds.RunsWithoutLock,
        LogLevel.Warning,
        "Job {Job} #{Execution} runs WITHOUT its lock '{LockName}', because OnUnavailable = Run")]
    public static partial void RunsWithoutLock(ILogger logger, string job, string execution, string lockName);

    [LoggerMessage(
        EventIds.Unavailable,
        LogLevel.Warning,
        "Could not acquire lock '{LockName}': {Reason} "
        + "Executions follow OnUnavailable until the store answers again. This message is not repeated during the outage")]
    public static partial void Unavailable(ILogger logger, Exception error, string lockName, string reason);

    [LoggerMessage(
        EventIds.AvailableAgain,
        LogLevel.Warning,
        "Locks of {Server} are available again after {Duration}; {Count} requests failed in the meantime")]
    public static partial void AvailableAgain(ILogger logger, string server, TimeSpan duration, long count);

    [LoggerMessage(
        EventIds.OtherApplication,
        LogLevel.Warning,
        "Lock '{LockName}' is shared with another application: {Holder}. "
        + "If that is not intended, give the lock another name, or each application its own key prefix")]
    public static partial void OtherApplication(ILogger logger, string lockName, LockHolder holder);

    [LoggerMessage(
        EventIds.NoExpiry,
        LogLevel.Warning,
        "Lock '{LockName}' is held without an expiry, by {Holder}: it stays taken until its key is deleted")]
    public static partial void NoExpiry(ILogger logger, string lockName, string holder);

    [LoggerMessage(EventIds.Woken, LogLevel.Debug, "Job {Job} #{Execution} was woken because lock '{LockName}' is available")]
    public static partial void Woken(ILogger logger, string? job, string? execution, string lockName);

    [LoggerMessage(
        EventIds.WakeFailed,
        LogLevel.Warning,
        "Job {Job} #{Execution} could not be woken when lock '{LockName}' became available; "
        + "the next safety poll tries again, and the deferral ends by itself after its delay")]
    public static partial void WakeFailed(ILogger logger, Exception error, string? job, string? execution, string lockName);

    [LoggerMessage(
        EventIds.DeclineFailed,
        LogLevel.Warning,
        "A wake-up for lock '{LockName}' could not be declined, or a waiter could not leave its waiting queue; "
        + "a safety poll wakes the next waiter within seconds")]
    public static partial void DeclineFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(EventIds.PollFailed, LogLevel.Debug, "The safety poll of lock '{LockName}' failed; retrying within seconds")]
    public static partial void PollFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(
        EventIds.WakeUpNotAccepted,
        LogLevel.Debug,
        "Job {Job} #{Execution} was woken because lock '{LockName}' is available, and has not asked for it in this process within {Time}. "
        + "If it has not asked in another process either, the next waiter is woken")]
    public static partial void WakeUpNotAccepted(ILogger logger, string? job, string? execution, TimeSpan time, string lockName);

    [LoggerMessage(
        EventIds.DeferralSpent,
        LogLevel.Information,
        "Job {Job} #{Execution} does not run: another execution from the same deferral has acquired lock '{LockName}' and does the work")]
    public static partial void DeferralSpent(ILogger logger, string job, string execution, string lockName);

    [LoggerMessage(
        EventIds.StandsBy,
        LogLevel.Debug,
        "Job {Job} #{Execution} stands by: {Reason}; lock '{LockName}', holder {Holder}")]
    public static partial void StandsBy(
        ILogger logger, string job, string execution, string reason, string lockName, LockHolder? holder);

    [LoggerMessage(
        EventIds.TakesOver,
        LogLevel.Information,
        "Job {Job} #{Execution} takes over the occurrence of {Time:u} of lock '{LockName}': the execution that ran it has not finished it")]
    public static partial void TakesOver(ILogger logger, string job, string execution, DateTimeOffset time, string lockName);

    [LoggerMessage(
        EventIds.OccurrenceForgotten,
        LogLevel.Warning,
        "Job {Job} #{Execution} skipped: it stood by for the occurrence of {Time:u} of lock '{LockName}', and comes so late that the mark "
        + "of the occurrence, which is kept for {Kept}, may be gone. If the node that ran it did not finish, run the job by hand")]
    public static partial void OccurrenceForgotten(
        ILogger logger, string job, string execution, string lockName, DateTimeOffset time, TimeSpan kept);

    [LoggerMessage(
        EventIds.DeliveryPostponed,
        LogLevel.Information,
        "Job {Job} #{Execution} was delivered a second time and is left to its first run, which holds lock '{LockName}', has just ended, "
        + "or cannot be asked for because the store does not answer. The delivery comes back after {Delay}, once the scheduler looks for "
        + "jobs that are due, in case that run dies")]
    public static partial void DeliveryPostponed(ILogger logger, string job, string execution, string lockName, TimeSpan delay);

    [LoggerMessage(EventIds.Locks, LogLevel.Information, "The locks of this process:{Locks}")]
    public static partial void Locks(ILogger logger, string locks);

    [LoggerMessage(
        EventIds.LockHidden,
        LogLevel.Warning,
        "The lock of a method replaces that of its class: {Hidden}. If that is not intended, remove one of them")]
    public static partial void LockHidden(ILogger logger, string hidden);

    [LoggerMessage(EventIds.AdapterMissing, LogLevel.Warning, "Jobs may run without their locks: {Jobs}. {Why} Fix: {Fix}")]
    public static partial void AdapterMissing(ILogger logger, string jobs, string why, string fix);

    [LoggerMessage(EventIds.Broken, LogLevel.Warning, "Lock '{LockName}' with fencing token {FencingToken} was broken by an operator")]
    public static partial void Broken(ILogger logger, string lockName, long fencingToken);

    [LoggerMessage(
        EventIds.SubscribeFailed,
        LogLevel.Warning,
        "This process cannot subscribe to lock notifications; it tries again every second. "
        + "Until then its waiting jobs start up to 5 s late, and it notices a broken lock at its next renewal. "
        + "If this persists, check the connection and the permission to subscribe (see the error)")]
    public static partial void SubscribeFailed(ILogger logger, Exception error);

    [LoggerMessage(
        EventIds.SubscriptionLost,
        LogLevel.Warning,
        "This process has lost its subscription to lock notifications and could not resubscribe for some seconds; it keeps trying. "
        + "Until then its waiting jobs start up to 5 s late, and it notices a broken lock at its next renewal. "
        + "If this persists, check the connection and the permission to subscribe (see the error)")]
    public static partial void SubscriptionLost(ILogger logger, Exception error);

    [LoggerMessage(EventIds.StoreWarning, LogLevel.Warning, "The lock store works, but with a problem: {Warning}")]
    public static partial void StoreWarning(ILogger logger, string warning);

    [LoggerMessage(
        EventIds.UnmatchedOverride,
        LogLevel.Warning,
        "Configuration {Path} is for lock '{Template}', but no job known at start has a lock with this template")]
    public static partial void UnmatchedOverride(ILogger logger, string path, string template);

    [LoggerMessage(
        EventIds.StoreCheckFailed,
        LogLevel.Warning,
        "The lock store failed its check, so that no lock can be acquired; checking again until it passes")]
    public static partial void StoreCheckFailed(ILogger logger, Exception error);

    [LoggerMessage(EventIds.ConnectionReplaced, LogLevel.Warning, "The lock store replaced its connection: {Reason}")]
    public static partial void ConnectionReplaced(ILogger logger, string reason);

    [LoggerMessage(EventIds.OverrideApplied, LogLevel.Information, "Configuration {Path} sets for lock '{Template}': {Settings}")]
    public static partial void OverrideApplied(ILogger logger, string path, string template, string settings);
}
