using System.Globalization;
using JobLocking.Engine;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>What the job store keeps of a deferral, in the data of its trigger. All values are strings, which no store changes.</summary>
/// <param name="Trigger">The trigger of the schedule whose firing was deferred, however often.</param>
/// <param name="ScheduledTime">The time the schedule meant, UTC.</param>
/// <param name="Attempts">How often it has been run before.</param>
/// <param name="State">The engine's state of the deferral; null for a retry that waits for nothing.</param>
internal sealed record StoredDeferral(TriggerKey Trigger, DateTimeOffset ScheduledTime, int Attempts, DeferralState? State)
{
    /// <summary>The group of the triggers that bring deferred firings back.</summary>
    public const string Group = "joblocking";

    /// <summary>The prefix of all keys of a deferral.</summary>
    public const string Prefix = "JOBLOCKING_";

    private const string TriggerName = Prefix + "TRIGGER_NAME";
    private const string TriggerGroup = Prefix + "TRIGGER_GROUP";
    private const string ScheduledFireTime = Prefix + "SCHEDULED_FIRE_TIME";
    private const string EngineState = Prefix + "DEFERRAL";
    private const string RunBefore = Prefix + "ATTEMPTS";
    private const string Retries = Prefix + "RETRY_ATTEMPT";
    private const string Recovered = Prefix + "RECOVERING";
    private const string Cancels = Prefix + "CANCELS_PREVIOUS";
    private const string PreviousFireTime = Prefix + "PREVIOUS_FIRE_TIME";
    private const string NextFireTime = Prefix + "NEXT_FIRE_TIME";
    private const string OccurrenceTime = Prefix + "OCCURRENCE";
    private const string HundredthFireTime = Prefix + "HUNDREDTH_FIRE_TIME";
    private const string Newest = Prefix + "STANDS_FOR_NEWEST";

    /// <summary>The retry that was deferred; 0 for a first attempt.</summary>
    public int RetryAttempt { get; init; }

    /// <summary>Whether it was a recovery that was deferred.</summary>
    public bool Recovering { get; init; }

    /// <summary>Whether its trigger cancels the previous firing, so that the next firing cancels this one.</summary>
    public bool CancelsPrevious { get; init; }

    /// <summary>The fire time of the schedule before it, UTC; null if there is none, or if an older version stored the deferral.</summary>
    public DateTimeOffset? PreviousTime { get; init; }

    /// <summary>The fire time of the schedule after it, UTC; null if there is none, or if an older version stored the deferral.</summary>
    public DateTimeOffset? NextTime { get; init; }

    /// <summary>The occurrence that the firing stood for; null if it had none.</summary>
    public FiringOccurrence? Occurrence { get; init; }

    /// <summary>
    /// Whether it stands for the newest occurrence of its trigger when it comes back, since later firings of the trigger coalesce with it.
    /// </summary>
    public bool StandsForNewest { get; init; }

    /// <summary>The deferral that fires, or that is recovered. The data alone are no proof: a job may have copied them.</summary>
    public static StoredDeferral? Of(IJobExecutionContext context) =>
        (context.RecoveringTriggerKey ?? context.Trigger.Key).Group == Group ? ReadFrom(context.Trigger.JobDataMap) : null;

    public void WriteTo(JobDataMap data)
    {
        data[TriggerName] = Trigger.Name;
        data[TriggerGroup] = Trigger.Group;
        data[ScheduledFireTime] = ScheduledTime.ToString("O", CultureInfo.InvariantCulture);
        data[RunBefore] = Attempts.ToString(CultureInfo.InvariantCulture);
        data[Retries] = RetryAttempt.ToString(CultureInfo.InvariantCulture);
        data[Recovered] = Recovering ? bool.TrueString : bool.FalseString;
        data[Cancels] = CancelsPrevious ? bool.TrueString : bool.FalseString;
        Write(data, EngineState, State?.ToString());
        Write(data, PreviousFireTime, PreviousTime?.ToString("O", CultureInfo.InvariantCulture));
        Write(data, NextFireTime, NextTime?.ToString("O", CultureInfo.InvariantCulture));
        Write(data, OccurrenceTime, Occurrence?.Time.ToString("O", CultureInfo.InvariantCulture));
        Write(data, HundredthFireTime, Occurrence?.Following?.Hundredth?.ToString("O", CultureInfo.InvariantCulture));
        Write(data, Newest, StandsForNewest ? bool.TrueString : null);
    }

    /// <summary>
    /// Removes the values of a deferral from the data that the job gets. That data is a copy for this firing: the trigger keeps its own,
    /// and the change never reaches the job store.
    /// </summary>
    public static void HideFrom(JobDataMap merged)
    {
        foreach (string key in merged.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)).ToArray())
        {
            merged.Remove(key);
        }
    }

    public static StoredDeferral? ReadFrom(JobDataMap data) =>
        data.ContainsKey(TriggerName)
            ? new StoredDeferral(
                new TriggerKey(Text(data, TriggerName), Text(data, TriggerGroup)),
                Time(data, ScheduledFireTime),
                Number(data, RunBefore),
                DeferralState.Parse(data.TryGetValue(EngineState, out object? state) ? state as string : null))
            {
                // An older version has not stored these. It counted attempts: the retries, and the refires of a job that refires itself.
                RetryAttempt = Number(data, data.ContainsKey(Retries) ? Retries : RunBefore),
                Recovering = data.TryGetValue(Recovered, out object? recovered) && recovered as string == bool.TrueString,
                CancelsPrevious = data.TryGetValue(Cancels, out object? cancels) && cancels as string == bool.TrueString,
                PreviousTime = data.ContainsKey(PreviousFireTime) ? Time(data, PreviousFireTime) : null,
                NextTime = data.ContainsKey(NextFireTime) ? Time(data, NextFireTime) : null,
                Occurrence = OccurrenceIn(data),
                StandsForNewest = data.TryGetValue(Newest, out object? newest) && newest as string == bool.TrueString,
            }
            : null;

    private static FiringOccurrence? OccurrenceIn(JobDataMap data) =>
        data.ContainsKey(OccurrenceTime)
            ? new FiringOccurrence(
                Time(data, OccurrenceTime),
                new FollowingFireTimes(
                    data.ContainsKey(NextFireTime) ? Time(data, NextFireTime) : null,
                    data.ContainsKey(HundredthFireTime) ? Time(data, HundredthFireTime) : null))
            : null;

    private static string Text(JobDataMap data, string key) => (string)data[key]!;

    private static DateTimeOffset Time(JobDataMap data, string key) =>
        DateTimeOffset.ParseExact(Text(data, key), "O", CultureInfo.InvariantCulture);

    /// <summary>
    /// Removes the key if the text is null: it may be there from the previous deferral, or from a job that copied its data.
    /// </summary>
    private static void Write(JobDataMap data, string key, string? text)
    {
        if (text is not null)
        {
            data[key] = text;
        }
        else
        {
            data.Remove(key);
        }
    }

    private static int Number(JobDataMap data, string key) => int.Parse(Text(data, key), CultureInfo.InvariantCulture);
}
