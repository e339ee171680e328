using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Whether the fire times of a trigger are the same on every node, so that each is one occurrence. The table in docs/quartz.md, from the
/// trigger on; what comes before depends on the lock and the store.
/// </summary>
internal static class OccurrenceRule
{
    private const string Fixed = "StartAt with a fixed time";

    private const string Named = "WithIdentity(name), or, if the GUID is yours and the same on every node, WithIdentity(name, group)";

    /// <param name="job">The key of the job.</param>
    /// <param name="type">The type of the job; null if it is not known.</param>
    /// <param name="sharesType">Whether other jobs with generated keys have the same type.</param>
    /// <param name="trigger">The trigger.</param>
    /// <param name="always">Whether the one fire time of a trigger that fires once is an occurrence, too.</param>
    /// <returns>Null if its fire times are the same on every node.</returns>
    public static NotToldApart? Judge(JobKey job, Type? type, bool sharesType, ITrigger trigger, bool always) => trigger switch
    {
        ISimpleTrigger { RepeatCount: 0 } when !always => NotToldApart.FiresOnce,
        ISimpleTrigger { RepeatCount: not 0 } =>
            new("it repeats from a start that Quartz moves, so its fire times differ on each node", "WithCronSchedule"),
        ICalendarIntervalTrigger or IRecurrenceTrigger when HasFraction(trigger.StartTimeUtc) =>
            new("it starts at a fraction of a second, the moment at which it was scheduled, which differs on each node", Fixed),
        not (ISimpleTrigger or ICronTrigger or IDailyTimeIntervalTrigger or ICalendarIntervalTrigger or IRecurrenceTrigger) =>
            new($"the fire times of a trigger of type {trigger.GetType()} may differ on each node", "WithCronSchedule"),
        _ when JobName.IsGenerated(job) && !JobName.IsOwn(type) =>
            new(
                "the key of its job looks generated, so it differs on each node, and its type does not identify the job",
                $"{Named}, on the job"),
        _ when JobName.IsGenerated(job) && sharesType =>
            new(
                $"the key of its job looks generated, so it differs on each node, and other jobs of type {type} have such keys too",
                $"{Named}, on the job"),
        _ when JobName.IsGenerated(trigger.Key) && TriggerData.IsOwn(trigger.JobDataMap) =>
            new("it has job data of its own and a key that looks generated, so it differs on each node", $"{Named}, on the trigger"),
        _ => null,
    };

    /// <summary>Whether a time looks like the moment at which something was scheduled: a time that was typed has no fraction.</summary>
    public static bool HasFraction(DateTimeOffset time) => time.Ticks % TimeSpan.TicksPerSecond != 0;
}

/// <summary>Why the fire times of a trigger cannot be told apart from node to node.</summary>
/// <param name="Why">The reason.</param>
/// <param name="Fix">What to call on the builder.</param>
internal sealed record NotToldApart(string Why, string Fix)
{
    /// <summary>The trigger fires once, so there is nothing to tell apart.</summary>
    public static readonly NotToldApart FiresOnce = new("", "");
}
