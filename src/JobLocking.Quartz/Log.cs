using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Everything that the Quartz adapter logs.</summary>
internal static partial class Log
{
    /// <summary>One category for the adapter, below that of core.</summary>
    public const string Category = "JobLocking.Quartz";

    [LoggerMessage(EventIds.Coalesced, LogLevel.Information, "Job {Job} #{Execution} coalesced with the deferral of trigger {Trigger} that is pending until {Until}")]
    public static partial void Coalesced(ILogger logger, JobKey job, string execution, TriggerKey trigger, DateTimeOffset until);

    [LoggerMessage(EventIds.DeferredInMemory, LogLevel.Warning, "Scheduler {Scheduler} keeps its triggers and deferrals in memory: they are lost when the process ends. Use a persistent job store if deferred work must not be lost. Logged once")]
    public static partial void DeferredInMemory(ILogger logger, string scheduler);

    [LoggerMessage(EventIds.InterruptFailed, LogLevel.Error, "Job {Job} #{Execution} has lost its lease and could not be interrupted; it may keep running beside another holder")]
    public static partial void InterruptFailed(ILogger logger, Exception error, JobKey job, string execution);

    [LoggerMessage(EventIds.UnknownJob, LogLevel.Warning, "Lock '{Lock}' was given to job {Job} by ForJob, but scheduler {Scheduler} has no job with this key at start")]
    public static partial void UnknownJob(ILogger logger, string @lock, JobKey job, string scheduler);

    [LoggerMessage(EventIds.GivenUpByShutdown, LogLevel.Error, "Job {Job} #{Execution} failed without a run: the shutdown came while its lock '{LockName}' was being acquired. Only a retry policy in a persistent job store brings it back")]
    public static partial void GivenUpByShutdown(ILogger logger, JobKey job, string execution, string lockName);

    [LoggerMessage(EventIds.Interrupted, LogLevel.Information, "Job {Job} #{Execution} was interrupted while its lock '{LockName}' was being acquired, and has not run")]
    public static partial void Interrupted(ILogger logger, JobKey job, string execution, string lockName);

    [LoggerMessage(EventIds.StuckDeferral, LogLevel.Warning, "The deferral {Deferral} of trigger {Trigger} would not fire by itself, because its state is {State}; the deferral of job {Job} #{Execution} replaces it")]
    public static partial void StuckDeferral(ILogger logger, TriggerKey deferral, TriggerKey trigger, TriggerState state, JobKey job, string execution);

    [LoggerMessage(EventIds.RetryNotKept, LogLevel.Error, "The retry of job {Job} #{Execution} may be lost: a wake-up on another node has replaced the deferral {Deferral} while it ran, and it could not be stored again. Run the job by hand")]
    public static partial void RetryNotKept(ILogger logger, Exception error, TriggerKey deferral, JobKey job, string execution);

    [LoggerMessage(EventIds.TooManyPending, LogLevel.Warning, "Job {Job} #{Execution} coalesces instead of being deferred: {Count} deferrals of trigger {Trigger}, which wants each of its firings (IgnoreMisfires), are already pending. Find out what holds the lock, or give the trigger another misfire instruction")]
    public static partial void TooManyPending(ILogger logger, JobKey job, string execution, int count, TriggerKey trigger);

    [LoggerMessage(EventIds.SchedulerUnlocked, LogLevel.Warning, "Scheduler {Scheduler} has jobs that would run without their locks: {Jobs}. "
        + "Its configuration does not call AddTaskLocks. Fix: services.AddQuartz(\"{Scheduler}\", q => q.AddTaskLocks())")]
    public static partial void SchedulerUnlocked(ILogger logger, string scheduler, string jobs);

    [LoggerMessage(EventIds.WrapperUnlocked, LogLevel.Warning, "Job {Job} of scheduler {Scheduler} has no lock: its type {Type} has none, and lock '{Lock}' of {Inner} is not found there. "
        + "Fix: options.ForJob(typeof({Type}), …), or q.AddTaskLocks(o => o.ForJob(…)) with the key of the job")]
    public static partial void WrapperUnlocked(ILogger logger, JobKey job, string scheduler, Type type, string @lock, Type inner);
}
