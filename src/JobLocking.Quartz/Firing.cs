using System.Globalization;
using System.Runtime.CompilerServices;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The firing of the schedule that a firing stands for: the trigger of a recovery or a deferral fires in its place.</summary>
/// <param name="Context">The context that Quartz gives the firing.</param>
/// <param name="Trigger">The trigger of the schedule.</param>
/// <param name="ScheduledTime">The time the schedule meant, UTC.</param>
/// <param name="Attempts">How often it has been run before.</param>
/// <param name="Deferred">The deferral it comes from; null if it was not deferred.</param>
internal sealed record Firing(
    IJobExecutionContext Context, TriggerKey Trigger, DateTimeOffset ScheduledTime, int Attempts, StoredDeferral? Deferred)
{
    // So that the methods that show the original firing to the job find it.
    private static readonly ConditionalWeakTable<IJobExecutionContext, Firing> Shown = [];

    private readonly DateTimeOffset? _nextTime;

    /// <summary>The occurrence that it stands for, from <see cref="Occurrences"/>; null if it has none, or was not asked for it.</summary>
    public FiringOccurrence? Occurrence { get; init; }

    /// <summary>Whether the firing comes from the schedule. A firing by hand does not.</summary>
    public bool IsOfSchedule =>
        !Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.ManualTrigger)
        && !Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.BackfillOriginalFireTime)
        && Trigger.Group != SchedulerConstants.StartupGroup;

    /// <summary>Whether the trigger fires once for each missed fire time.</summary>
    public bool IgnoresMisfires => new FireTimes(Context.Trigger, Context.Calendar).AllAreMadeUpFor;

    /// <summary>Whether it is a run by hand without data of its own. A run by hand with data of its own is other work.</summary>
    public bool IsByHand =>
        Context.Trigger.JobDataMap.ContainsKey(SchedulerConstants.ManualTrigger) && !TriggerData.IsOwn(Context.Trigger.JobDataMap);

    /// <summary>
    /// The deferral whose wait goes on; null for a first attempt, and for a retry or recovery after a run: its wait starts again.
    /// </summary>
    public StoredDeferral? Wait => Attempts > (Deferred?.Attempts ?? 0) || Context.Recovering ? null : Deferred;

    /// <summary>The attempt of the retry policy: that of the run that was deferred, plus the retries of the deferral.</summary>
    public int RetryAttempt => (Deferred?.RetryAttempt ?? 0) + Context.RetryAttempt;

    /// <summary>Whether it recovers a run whose node died.</summary>
    public bool Recovering => Context.Recovering || Deferred is { Recovering: true };

    /// <summary>The previous fire time of the schedule; the trigger of a deferral has none.</summary>
    public DateTimeOffset? PreviousTime => Deferred is null ? Context.PreviousFireTimeUtc : Deferred.PreviousTime;

    /// <summary>The next fire time of the schedule; the trigger of a deferral has none.</summary>
    public DateTimeOffset? NextTime
    {
        get => _nextTime ?? (Deferred is null ? Context.NextFireTimeUtc : Deferred.NextTime);
        init => _nextTime = value;
    }

    /// <summary>Whether it cancels the previous firing (<see cref="OverlapPolicy.CancelPrevious"/>), also after a deferral.</summary>
    public bool CancelsPrevious => Context.Trigger.OverlapPolicy == OverlapPolicy.CancelPrevious || Deferred is { CancelsPrevious: true };

    public ExecutionOrigin Origin => this switch
    {
        { Recovering: true } => ExecutionOrigin.Recovery,
        { Attempts: > 0 } => ExecutionOrigin.Retry,
        { Deferred: not null } => ExecutionOrigin.Deferred,
        { Context.NextFireTimeUtc: not null, IgnoresMisfires: false } => ExecutionOrigin.Recurring,
        _ => ExecutionOrigin.OneOff,
    };

    /// <summary>The firing as the job sees it.</summary>
    public static Firing Of(IJobExecutionContext context) => Shown.TryGetValue(context, out Firing? shown) ? shown : Read(context);

    /// <summary>The firing as Quartz describes it, without its occurrence.</summary>
    public static Firing Read(IJobExecutionContext context)
    {
        StoredDeferral? deferred = StoredDeferral.Of(context);
        return new Firing(
            context,
            deferred?.Trigger ?? context.RecoveringTriggerKey ?? context.Trigger.Key,
            (deferred?.ScheduledTime ?? RecoveredTime(context) ?? context.ScheduledFireTimeUtc ?? context.FireTimeUtc).ToUniversalTime(),
            (deferred?.Attempts ?? 0) + AttemptsBefore(context),
            deferred);
    }

    /// <summary>From here on, <see cref="Of"/> returns this firing.</summary>
    public void Show() => Shown.AddOrUpdate(Context, this);

    private static int AttemptsBefore(IJobExecutionContext context)
    {
        int attempts = context.RetryAttempt + context.RefireCount;
        return attempts == 0 && IsMisfiredRetry(context) ? 1 : attempts;
    }

    /// <summary>
    /// Quartz forgets that a firing is a retry if the retry misfires. But then the trigger has no fire time of its schedule between its
    /// previous firing and its next one.
    /// </summary>
    /// <remarks>
    /// Not for a trigger with a number of fire times: the last one would look like that, too, since it has none left by then.
    /// </remarks>
    private static bool IsMisfiredRetry(IJobExecutionContext context) =>
        context is { RetryPolicy: not null, PreviousFireTimeUtc: { } previous }
        && context.Trigger is not (ISimpleTrigger { RepeatCount: > 0 } or IDailyTimeIntervalTrigger { RepeatCount: > 0 })
        && !(new FireTimes(context.Trigger, context.Calendar).After(previous) < (context.NextFireTimeUtc ?? DateTimeOffset.MaxValue));

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
