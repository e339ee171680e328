using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz;

/// <summary>The trigger that brings a deferred firing back.</summary>
internal static class DeferralTrigger
{
    /// <summary>
    /// A key that no other trigger ever has. If a trigger had the key of an earlier one, Quartz would take it for that when the firing of
    /// the earlier one ends, and would remove it or put a retry in its place.
    /// </summary>
    /// <param name="prefix">What it begins with: the work that the deferral stands for.</param>
    public static TriggerKey NewKey(string prefix) => new($"{prefix}{Guid.NewGuid():N}", StoredDeferral.Group);

    /// <summary>The key of a deferral that follows another and stands for the same work.</summary>
    public static TriggerKey NewKeyAfter(TriggerKey deferral) => NewKey(deferral.Name[..(deferral.Name.LastIndexOf('-') + 1)]);

    /// <summary>
    /// Not built from the original trigger: its calendar or end time could forbid the fire time, although the schedule has already
    /// fired; a continuation would make it wait; an overlap policy could drop it.
    /// </summary>
    /// <param name="original">Gives it everything else.</param>
    /// <param name="key">Its key.</param>
    /// <param name="job">The job it fires.</param>
    /// <param name="retries">The retries that are left.</param>
    /// <param name="deferral">What it keeps for the next attempt.</param>
    /// <param name="start">When it fires.</param>
    /// <param name="clock">
    /// The clock of the scheduler. A trigger with another clock that misfires by the scheduler's would never stop misfiring, since it
    /// moves its fire time to a time that has passed there; the job store tries for ever.
    /// </param>
    public static IMutableTrigger Create(
        ITrigger original,
        TriggerKey key,
        JobKey job,
        RetryPolicy? retries,
        StoredDeferral deferral,
        DateTimeOffset start,
        TimeProvider clock)
    {
        TriggerBuilder<IJob> builder = TriggerBuilder.Create(clock)
            .WithIdentity(key)
            .ForJob(job)
            .WithDescription(original.Description)
            .WithPriority(original.Priority)
            .WithPreferredNode(original.PreferredNode)
            .WithRetryPolicy(retries)
            .UsingJobData(original.JobDataMap)
            .StartAt(start)
            .WithSchedule(SimpleScheduleBuilder.Create().WithMisfireInstruction(SimpleTriggerMisfireInstruction.FireNow));
        if (original.MisfireThreshold is { } threshold)
        {
            builder.WithMisfireThreshold(threshold);
        }

        IMutableTrigger trigger = (IMutableTrigger)builder.Build();

        // The builder would read braces in a resolved group as a template.
        trigger.ExecutionGroup = original.ExecutionGroup;
        deferral.WriteTo(trigger.JobDataMap);
        return trigger;
    }
}
