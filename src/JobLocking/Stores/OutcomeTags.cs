using JobLocking.Telemetry;

namespace JobLocking.Stores;

/// <summary>The outcomes of a store as metrics, spans and logs show them.</summary>
internal static class OutcomeTags
{
    public static string Tag(this AcquireOutcome outcome) => outcome switch
    {
        AcquireOutcome.Granted => TagValues.Granted,
        AcquireOutcome.OccurrenceRunning => "standby",
        AcquireOutcome.OccurrenceSucceeded => "occurrence_succeeded",
        AcquireOutcome.OccurrenceFailed => "occurrence_failed",
        AcquireOutcome.OccurrenceEnded => "occurrence_ended",
        AcquireOutcome.DeferralSpent => "deferral_spent",
        _ => TagValues.Contended,
    };

    public static string Tag(this RenewOutcome outcome) => outcome switch
    {
        RenewOutcome.Renewed => "renewed",
        RenewOutcome.NotYours => "not_yours",
        RenewOutcome.Missing => "missing",
        _ => "transient",
    };

    /// <summary>For logs; allocates nothing.</summary>
    public static string Text(this ReleaseOutcome outcome) => outcome switch
    {
        ReleaseOutcome.Released => nameof(ReleaseOutcome.Released),
        ReleaseOutcome.NotYours => nameof(ReleaseOutcome.NotYours),
        _ => nameof(ReleaseOutcome.Missing),
    };
}
