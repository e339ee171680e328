using JobLocking.Leasing;
using JobLocking.Stores;
using Microsoft.Extensions.Logging;

namespace JobLocking.Telemetry;

/// <summary>Everything that core logs.</summary>
internal static partial class Log
{
    /// <summary>One category for all of core, so that one line of configuration sets its level.</summary>
    public const string Category = "JobLocking";

    [LoggerMessage(EventIds.Acquired, LogLevel.Debug, "Lock '{LockName}' acquired with fencing token {FencingToken}: {Holder}")]
    public static partial void Acquired(ILogger logger, string lockName, long fencingToken, LockHolder holder);

    [LoggerMessage(EventIds.Released, LogLevel.Debug, "Lock '{LockName}' with fencing token {FencingToken} given back: {Outcome}")]
    public static partial void Released(ILogger logger, string lockName, long fencingToken, ReleaseOutcome outcome);

    [LoggerMessage(EventIds.ReleasedTooLate, LogLevel.Warning, "Lock '{LockName}' with fencing token {FencingToken} was no longer held when it was released ({Outcome}): another execution may have run beside this one")]
    public static partial void ReleasedTooLate(ILogger logger, string lockName, long fencingToken, ReleaseOutcome outcome);

    [LoggerMessage(EventIds.ReleaseFailed, LogLevel.Warning, "Lock '{LockName}' could not be released; tried again in the background, and it ends by itself within {Expiry}")]
    public static partial void ReleaseFailed(ILogger logger, Exception error, string lockName, TimeSpan expiry);

    [LoggerMessage(EventIds.ReleaseGivenUp, LogLevel.Warning, "Lock '{LockName}' could not be released, if it was held at all, and has ended by its expiry")]
    public static partial void ReleaseGivenUp(ILogger logger, Exception error, string lockName);

    [LoggerMessage(
        EventIds.LeaseLost,
        LogLevel.Warning,
        "Lock '{LockName}' with fencing token {FencingToken} was lost ({Loss}) while it was held by {Holder}: {Cause}. {Advice}")]
    public static partial void LeaseLost(
        ILogger logger, string lockName, long fencingToken, LeaseLoss loss, LockHolder holder, string cause, string advice);

    [LoggerMessage(EventIds.LostCallbackFailed, LogLevel.Error, "A callback on the loss of lock '{LockName}' threw")]
    public static partial void LostCallbackFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(EventIds.RenewalFailed, LogLevel.Warning, "{Count} leases could not be renewed, '{LockName}' among them; tried again until their deadlines")]
    public static partial void RenewalFailed(ILogger logger, Exception error, int count, string lockName);

    [LoggerMessage(EventIds.SucceededAfterLoss, LogLevel.Warning, "Job {Job} #{Execution} succeeded after its lock '{LockName}' was lost: another execution may have run beside it")]
    public static partial void SucceededAfterLoss(ILogger logger, string? job, string? execution, string lockName);

    [LoggerMessage(EventIds.NotDrained, LogLevel.Warning, "The host stops while {Count} releases or callbacks on lost locks are still going on; what is not released ends by its expiry")]
    public static partial void NotDrained(ILogger logger, int count);

    [LoggerMessage(EventIds.Skipped, LogLevel.Information, "Job {Job} #{Execution} skipped: {Reason}; time left {TimeLeft}; lock '{LockName}', holder {Holder}")]
    public static partial void Skipped(ILogger logger, string job, string execution, string reason, TimeSpan? timeLeft, string lockName, LockHolder? holder);

    [LoggerMessage(EventIds.Deferred, LogLevel.Information, "Job {Job} #{Execution} deferred by {Delay} for the {Deferrals}. time: {Reason}; time left {TimeLeft}; lock '{LockName}', holder {Holder}")]
    public static partial void Deferred(ILogger logger, string job, string execution, TimeSpan delay, int deferrals, string reason, TimeSpan? timeLeft, string lockName, LockHolder? holder);

    [LoggerMessage(EventIds.Failed, LogLevel.Warning, "Job {Job} #{Execution} fails for its lock '{LockName}': {Reason}")]
    public static partial void Failed(ILogger logger, string job, string execution, string lockName, string reason);

    [LoggerMessage(EventIds.RunsWithoutLock, LogLevel.Warning, "Job {Job} #{Execution} runs WITHOUT its lock '{LockName}', as OnUnavailable = Run says")]
    public static partial void RunsWithoutLock(ILogger logger, string job, string execution, string lockName);

    [LoggerMessage(EventIds.Unavailable, LogLevel.Warning, "Lock '{LockName}' cannot be acquired: {Reason} Until the store answers again this is not repeated, and executions follow OnUnavailable")]
    public static partial void Unavailable(ILogger logger, Exception error, string lockName, string reason);

    [LoggerMessage(EventIds.AvailableAgain, LogLevel.Warning, "Locks of {Server} are available again after {Duration}; {Count} requests were answered unavailable meanwhile")]
    public static partial void AvailableAgain(ILogger logger, string server, TimeSpan duration, long count);

    [LoggerMessage(EventIds.OtherApplication, LogLevel.Warning, "Lock '{LockName}' is shared with another application: {Holder}. If that is not meant, give the lock a name of its own or each application a key prefix")]
    public static partial void OtherApplication(ILogger logger, string lockName, LockHolder holder);

    [LoggerMessage(EventIds.NoExpiry, LogLevel.Warning, "Lock '{LockName}' is held without an expiry, by {Holder}: it ends only when somebody deletes it")]
    public static partial void NoExpiry(ILogger logger, string lockName, string holder);

    [LoggerMessage(EventIds.Woken, LogLevel.Debug, "Job {Job} #{Execution} is started out of its deferral: it has its turn at lock '{LockName}'")]
    public static partial void Woken(ILogger logger, string? job, string? execution, string lockName);

    [LoggerMessage(EventIds.WakeFailed, LogLevel.Warning, "Job {Job} #{Execution} could not be started out of its deferral when it had its turn at lock '{LockName}'; tried again when the lock is looked at, and it comes back by itself after its delay")]
    public static partial void WakeFailed(ILogger logger, Exception error, string? job, string? execution, string lockName);

    [LoggerMessage(EventIds.DeclineFailed, LogLevel.Warning, "A turn at lock '{LockName}' could not be passed on; whoever waits finds the lock free within seconds")]
    public static partial void DeclineFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(EventIds.PollFailed, LogLevel.Debug, "Lock '{LockName}' could not be looked at for those who wait; tried again within seconds")]
    public static partial void PollFailed(ILogger logger, Exception error, string lockName);

    [LoggerMessage(EventIds.WakeUpNotAccepted, LogLevel.Debug, "Job {Job} #{Execution} was woken because lock '{LockName}' is available, and has not asked for it in this process within {Time}. If it has not asked in another one, the next waiter is woken")]
    public static partial void WakeUpNotAccepted(ILogger logger, string? job, string? execution, TimeSpan time, string lockName);

    [LoggerMessage(EventIds.DeferralSpent, LogLevel.Information, "Job {Job} #{Execution} does not run: another execution that came from the same deferral has had lock '{LockName}', and does the work")]
    public static partial void DeferralSpent(ILogger logger, string job, string execution, string lockName);

    [LoggerMessage(EventIds.Locks, LogLevel.Information, "The locks of this process:{Locks}")]
    public static partial void Locks(ILogger logger, string locks);

    [LoggerMessage(EventIds.LockHidden, LogLevel.Warning, "The lock of a method replaces that of its class: {Hidden}. If that is not meant, remove one of them")]
    public static partial void LockHidden(ILogger logger, string hidden);

    [LoggerMessage(EventIds.AdapterMissing, LogLevel.Warning, "Jobs may run without their locks: {Jobs}. {Why} Fix: {Fix}")]
    public static partial void AdapterMissing(ILogger logger, string jobs, string why, string fix);

    [LoggerMessage(EventIds.Broken, LogLevel.Warning, "Lock '{LockName}' with fencing token {FencingToken} was broken by an operator")]
    public static partial void Broken(ILogger logger, string lockName, long fencingToken);

    [LoggerMessage(
        EventIds.SubscribeFailed,
        LogLevel.Warning,
        "This process cannot subscribe to lock notifications; it tries again each second. "
        + "Until then its waiting jobs start up to 5 s late, and it notices a broken lock at its next renewal. "
        + "If this goes on, see the error: the connection, or the right to subscribe")]
    public static partial void SubscribeFailed(ILogger logger, Exception error);

    [LoggerMessage(
        EventIds.SubscriptionLost,
        LogLevel.Warning,
        "This process has lost its subscription to lock notifications and could not subscribe again for some seconds; it goes on trying. "
        + "Until then its waiting jobs start up to 5 s late, and it notices a broken lock at its next renewal. "
        + "If this goes on, see the error: the connection, or the right to subscribe")]
    public static partial void SubscriptionLost(ILogger logger, Exception error);

    [LoggerMessage(EventIds.StoreWarning, LogLevel.Warning, "The lock store works, but not as it should: {Warning}")]
    public static partial void StoreWarning(ILogger logger, string warning);

    [LoggerMessage(EventIds.UnmatchedOverride, LogLevel.Warning, "Configuration {Path} is for lock '{Template}', but no job known at start has a lock with this template")]
    public static partial void UnmatchedOverride(ILogger logger, string path, string template);

    [LoggerMessage(EventIds.StoreCheckFailed, LogLevel.Warning, "The lock store failed its check, and locks cannot be had; checking again until it passes")]
    public static partial void StoreCheckFailed(ILogger logger, Exception error);

    [LoggerMessage(EventIds.ConnectionReplaced, LogLevel.Warning, "The lock store made its connection again: {Reason}")]
    public static partial void ConnectionReplaced(ILogger logger, string reason);

    [LoggerMessage(EventIds.OverrideApplied, LogLevel.Information, "Configuration {Path} sets for lock '{Template}': {Settings}")]
    public static partial void OverrideApplied(ILogger logger, string path, string template, string settings);
}
