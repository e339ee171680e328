using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz;

/// <summary>The trigger that brings a deferred firing back.</summary>
internal static class DeferralTrigger
{
    /// <summary>
    /// A key that no other trigger ever has: one that took the key of another would be taken for it when the other's firing
    /// ends, and with it Quartz would remove the wrong one, or put a retry in its place.
    /// </summary>
    /// <param name="work">What the deferral stands for; deferrals of the same work have names that begin with <see cref="Prefix"/>.</param>
    public static TriggerKey NewKey(string work) => new($"{Prefix(work)}{Guid.NewGuid():N}", Deferral.Group);

    /// <summary>The key of a deferral that follows another and stands for the same work.</summary>
    public static TriggerKey NewKeyAfter(TriggerKey deferral) => NewKey(deferral.Name.Split('-')[0]);

    public static string Prefix(string work) => $"{work}-";

    /// <summary>
    /// Built anew, not from the original's builder: a calendar or an end time could make it impossible, for a firing that
    /// the schedule has already let through; a continuation would make it wait; an overlap policy could drop it.
    /// </summary>
    /// <param name="original">What it is like in everything else.</param>
    /// <param name="key">Its key.</param>
    /// <param name="job">The job it fires.</param>
    /// <param name="retries">The retries that are left.</param>
    /// <param name="deferral">What it carries.</param>
    /// <param name="start">When it fires.</param>
    public static IMutableTrigger Create(ITrigger original, TriggerKey key, JobKey job, RetryPolicy? retries, Deferral deferral, DateTimeOffset start)
    {
        TriggerBuilder<IJob> builder = TriggerBuilder.Create()
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

        // The builder would take the braces of a resolved group for a template.
        trigger.ExecutionGroup = original.ExecutionGroup;
        deferral.WriteTo(trigger.JobDataMap);
        return trigger;
    }
}
