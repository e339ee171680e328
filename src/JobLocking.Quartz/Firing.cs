using System.Globalization;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>What a firing is in truth, whichever trigger fired it: a recovery and a deferral stand in for the trigger of the schedule.</summary>
/// <param name="Context">What Quartz says.</param>
/// <param name="Trigger">The trigger of the schedule.</param>
/// <param name="ScheduledTime">The time the schedule meant, UTC.</param>
/// <param name="Attempts">How often it has been run before.</param>
/// <param name="Deferred">The deferral it comes from; null if it was not deferred.</param>
internal sealed record Firing(IJobExecutionContext Context, TriggerKey Trigger, DateTimeOffset ScheduledTime, int Attempts, Deferral? Deferred)
{
    /// <summary>Whether the firing is one of the schedule, the same on every node. What somebody asked for by hand, now, is not.</summary>
    public bool HasOccurrence =>
        !Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.ManualTrigger)
        && !Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.BackfillOriginalFireTime)
        && Trigger.Group != SchedulerConstants.StartupGroup;

    /// <summary>Whether the trigger has the IgnoreMisfires instruction: it fires each time that it missed, one after the other.</summary>
    /// <remarks>All kinds of triggers have the same code for it.</remarks>
    public bool IgnoresMisfires => Context.Trigger.MisfireInstructionCode == (int)CronTriggerMisfireInstruction.IgnoreMisfires;

    /// <summary>Whether somebody has asked for a run of the job as it is. With data of its own, a run by hand is other work.</summary>
    public bool IsByHand =>
        Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.ManualTrigger) && !TriggerData.IsOwn(Context.Trigger.JobDataMap);

    /// <summary>The deferral whose wait goes on; null for a first attempt, and for a retry or recovery of what has been run meanwhile: that waits anew.</summary>
    public Deferral? Wait => Context.RetryAttempt + Context.RefireCount > 0 || Context.Recovering ? null : Deferred;

    /// <summary>The attempt of the retry policy: of the run that was deferred, and of the deferral's own retries.</summary>
    public int RetryAttempt => (Deferred?.RetryAttempt ?? 0) + Context.RetryAttempt;

    /// <summary>Whether it makes up for a run that a node died in.</summary>
    public bool Recovering => Context.Recovering || Deferred is { Recovering: true };

    /// <summary>The fire time of the schedule before this one; a deferral's own trigger has none.</summary>
    public DateTimeOffset? PreviousTime => Deferred is null ? Context.PreviousFireTimeUtc : Deferred.PreviousTime;

    /// <summary>The fire time of the schedule after this one; a deferral's own trigger has none.</summary>
    public DateTimeOffset? NextTime => Deferred is null ? Context.NextFireTimeUtc : Deferred.NextTime;

    /// <summary>Whether it relieves the firing before it (<see cref="OverlapPolicy.CancelPrevious"/>), also when it was deferred.</summary>
    public bool CancelsPrevious => Context.Trigger.OverlapPolicy == OverlapPolicy.CancelPrevious || Deferred is { CancelsPrevious: true };

    public ExecutionOrigin Origin => this switch
    {
        { Context.Recovering: true } => ExecutionOrigin.Recovery,
        { Attempts: > 0 } => ExecutionOrigin.Retry,
        { Deferred: not null } => ExecutionOrigin.Deferred,
        { Context.NextFireTimeUtc: not null, IgnoresMisfires: false } => ExecutionOrigin.Recurring,
        _ => ExecutionOrigin.OneOff,
    };

    public static Firing Of(IJobExecutionContext context)
    {
        Deferral? deferred = Deferral.Of(context);
        return new Firing(
            context,
            deferred?.Trigger ?? context.RecoveringTriggerKey ?? context.Trigger.Key,
            (deferred?.ScheduledTime ?? RecoveredTime(context) ?? context.ScheduledFireTimeUtc ?? context.FireTimeUtc).ToUniversalTime(),
            (deferred?.Attempts ?? 0) + context.RetryAttempt + context.RefireCount,
            deferred);
    }

    /// <summary>
    /// Quartz writes the time into the data of a recovery in whole seconds. A scheduler that recovers its own firings as it starts
    /// makes the recovery's trigger for the exact time, and has it ignore misfires; a node that recovers another's makes it for the
    /// moment at which that fired, and the fraction is lost.
    /// </summary>
    private static DateTimeOffset? RecoveredTime(IJobExecutionContext context)
    {
        if (!context.Recovering
            || !context.Trigger.JobDataMap.TryGetValue(SchedulerConstants.FailedJobOriginalTriggerScheduledFireTime, out object? time)
            || !DateTimeOffset.TryParse(
                time as string, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset seconds))
        {
            return null;
        }

        return context.Trigger.MisfireInstructionCode == (int)SimpleTriggerMisfireInstruction.IgnoreMisfires
            && context.ScheduledFireTimeUtc is { } exact && exact >= seconds && exact < seconds.AddSeconds(1)
                ? exact
                : seconds;
    }
}
