using System.Globalization;
using Quartz;

namespace JobLocking.Quartz.Deferrals;

/// <summary>What a deferral carries through the job store, in the data of its own trigger: strings, which every store keeps as they are.</summary>
/// <param name="Trigger">The trigger of the schedule whose firing was deferred, however often.</param>
/// <param name="ScheduledTime">The time the schedule meant, UTC.</param>
/// <param name="FirstDeferredAt">When it was deferred for the first time, UTC.</param>
/// <param name="Count">How often it was deferred.</param>
/// <param name="CountUnwoken">How often it was deferred since a release last woke it.</param>
/// <param name="Attempts">How often it has been run before.</param>
/// <param name="Ticket">Its place in the queue.</param>
internal sealed record Deferral(
    TriggerKey Trigger, DateTimeOffset ScheduledTime, DateTimeOffset FirstDeferredAt, int Count, int CountUnwoken, int Attempts, string Ticket)
{
    /// <summary>The group of the triggers that bring deferred firings back.</summary>
    public const string Group = "joblocking";

    private const string TriggerName = "JOBLOCKING_TRIGGER_NAME";
    private const string TriggerGroup = "JOBLOCKING_TRIGGER_GROUP";
    private const string ScheduledFireTime = "JOBLOCKING_SCHEDULED_FIRE_TIME";
    private const string FirstDeferred = "JOBLOCKING_FIRST_DEFERRED_AT";
    private const string Deferrals = "JOBLOCKING_DEFERRALS";
    private const string DeferralsUnwoken = "JOBLOCKING_DEFERRALS_UNWOKEN";
    private const string RunBefore = "JOBLOCKING_ATTEMPTS";
    private const string Place = "JOBLOCKING_TICKET";

    /// <summary>The deferral that fires, or that is recovered. The data alone do not make one: a job may have handed them on.</summary>
    public static Deferral? Of(IJobExecutionContext context) =>
        (context.RecoveringTriggerKey ?? context.Trigger.Key).Group == Group ? ReadFrom(context.Trigger.JobDataMap) : null;

    public void WriteTo(JobDataMap data)
    {
        data[TriggerName] = Trigger.Name;
        data[TriggerGroup] = Trigger.Group;
        data[ScheduledFireTime] = ScheduledTime.ToString("O", CultureInfo.InvariantCulture);
        data[FirstDeferred] = FirstDeferredAt.ToString("O", CultureInfo.InvariantCulture);
        data[Deferrals] = Count.ToString(CultureInfo.InvariantCulture);
        data[DeferralsUnwoken] = CountUnwoken.ToString(CultureInfo.InvariantCulture);
        data[RunBefore] = Attempts.ToString(CultureInfo.InvariantCulture);
        data[Place] = Ticket;
    }

    public static Deferral? ReadFrom(JobDataMap data) =>
        data.ContainsKey(TriggerName)
            ? new Deferral(
                new TriggerKey(Text(data, TriggerName), Text(data, TriggerGroup)),
                Time(data, ScheduledFireTime),
                Time(data, FirstDeferred),
                Number(data, Deferrals),
                Number(data, DeferralsUnwoken),
                Number(data, RunBefore),
                Text(data, Place))
            : null;

    private static string Text(JobDataMap data, string key) => (string)data[key]!;

    private static DateTimeOffset Time(JobDataMap data, string key) => DateTimeOffset.ParseExact(Text(data, key), "O", CultureInfo.InvariantCulture);

    private static int Number(JobDataMap data, string key) => int.Parse(Text(data, key), CultureInfo.InvariantCulture);
}
