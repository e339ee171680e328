using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Everything that the Quartz adapter logs.</summary>
internal static partial class Log
{
    /// <summary>One category for the adapter, below that of core.</summary>
    public const string Category = "JobLocking.Quartz";

    [LoggerMessage(
        EventIds.Coalesced,
        LogLevel.Information,
        "Job {Job} #{Execution} coalesced with the pending deferral of trigger {Trigger}, which is due at {Until}")]
    public static partial void Coalesced(ILogger logger, JobKey job, string execution, TriggerKey trigger, DateTimeOffset until);

    [LoggerMessage(
        EventIds.DeferredInMemory,
        LogLevel.Warning,
        "Scheduler {Scheduler} keeps its triggers in memory, and its deferrals as well: they are lost when the process ends. Use a "
        + "persistent job store if deferred work must not be lost. Logged once")]
    public static partial void DeferredInMemory(ILogger logger, string scheduler);

    [LoggerMessage(
        EventIds.InterruptFailed,
        LogLevel.Error,
        "Job {Job} #{Execution} has lost its lock and could not be interrupted; it may run while another execution holds the lock")]
    public static partial void InterruptFailed(ILogger logger, Exception error, JobKey job, string execution);

    [LoggerMessage(
        EventIds.UnknownJob,
        LogLevel.Warning,
        "Lock '{Lock}' was given to job {Job} by ForJob, but scheduler {Scheduler} has no job with this key at start")]
    public static partial void UnknownJob(ILogger logger, string @lock, JobKey job, string scheduler);

    [LoggerMessage(
        EventIds.GivenUpByShutdown,
        LogLevel.Error,
        "Job {Job} #{Execution} failed without a run: the scheduler shut down while the job waited for lock '{LockName}'. Only a "
        + "retry policy in a persistent job store runs it again")]
    public static partial void GivenUpByShutdown(ILogger logger, JobKey job, string execution, string lockName);

    [LoggerMessage(
        EventIds.Interrupted,
        LogLevel.Information,
        "Job {Job} #{Execution} was interrupted while it waited for lock '{LockName}', and has not run")]
    public static partial void Interrupted(ILogger logger, JobKey job, string execution, string lockName);

    [LoggerMessage(
        EventIds.StuckDeferral,
        LogLevel.Warning,
        "Deferral {Deferral} of trigger {Trigger} cannot fire, because its state is {State}; the deferral of job {Job} #{Execution}"
        + " replaces it")]
    public static partial void StuckDeferral(
        ILogger logger, TriggerKey deferral, TriggerKey trigger, TriggerState state, JobKey job, string execution);

    [LoggerMessage(
        EventIds.RetryNotKept,
        LogLevel.Error,
        "The retry of job {Job} #{Execution} may be lost: a wake-up on another node replaced deferral {Deferral} while the job ran,"
        + " and the deferral could not be restored. Run the job by hand")]
    public static partial void RetryNotKept(ILogger logger, Exception error, TriggerKey deferral, JobKey job, string execution);

    [LoggerMessage(
        EventIds.StandbyEnds,
        LogLevel.Information,
        "Job {Job} #{Execution} no longer stands by for lock '{LockName}', because the scheduler stops: {Reason}")]
    public static partial void StandbyEnds(ILogger logger, JobKey job, string execution, string lockName, string reason);

    [LoggerMessage(
        EventIds.TooManyPending,
        LogLevel.Warning,
        "Job {Job}: {Count} deferrals of trigger {Trigger} are pending, one for each of its occurrences; the oldest, {Oldest}, is "
        + "coalesced with the newer ones and does not run. Find out what holds the lock, or let one deferral stand for all (without "
        + "IgnoreMisfires and OncePerOccurrence = Always)")]
    public static partial void TooManyPending(ILogger logger, JobKey job, int count, TriggerKey trigger, TriggerKey oldest);

    [LoggerMessage(
        EventIds.NotOncePerOccurrence,
        LogLevel.Warning,
        "Scheduler {Scheduler}: nodes that share no job store each run the occurrences of these triggers, since they cannot tell that an "
        + "occurrence is the same; if each node is to run them, say OncePerOccurrence = OncePerOccurrence.Never:{Triggers}")]
    public static partial void NotOncePerOccurrence(ILogger logger, string scheduler, string triggers);

    [LoggerMessage(
        EventIds.SchedulerUnlocked,
        LogLevel.Warning,
        "Scheduler {Scheduler} has jobs that would run without their locks: {Jobs}. "
        + "Its configuration does not call AddTaskLocks. Fix: services.AddQuartz(\"{Scheduler}\", q => q.AddTaskLocks())")]
    public static partial void SchedulerUnlocked(ILogger logger, string scheduler, string jobs);

    [LoggerMessage(
        EventIds.WrapperUnlocked,
        LogLevel.Warning,
        "Job {Job} of scheduler {Scheduler} has no lock: its type {Type} has none, and lock '{Lock}' of {Inner} has no effect there. "
        + "Fix: options.ForJob(typeof({Type}), …), or q.AddTaskLocks(o => o.ForJob(…)) with the key of the job")]
    public static partial void WrapperUnlocked(ILogger logger, JobKey job, string scheduler, Type type, string @lock, Type inner);

    [LoggerMessage(
        EventIds.LeaseNotUsed,
        LogLevel.Information,
        "Job {Job} #{Execution} got lock '{LockName}' and gives it back without a run: {Reason}")]
    public static partial void LeaseNotUsed(ILogger logger, JobKey job, string execution, string lockName, string reason);

    [LoggerMessage(
        EventIds.ContinuationNotMoved,
        LogLevel.Warning,
        "Continuations of trigger {Trigger} may not run, because they could not be made to wait for deferral {Deferral} of its firing. "
        + "Check the triggers that start after it")]
    public static partial void ContinuationNotMoved(ILogger logger, Exception error, TriggerKey trigger, TriggerKey deferral);
}
