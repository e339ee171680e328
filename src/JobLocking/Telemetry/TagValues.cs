using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Stores;

namespace JobLocking.Telemetry;

/// <summary>The closed sets of values that tags have. Constants, so that telling costs no allocation.</summary>
internal static class TagValues
{
    public const string Granted = "granted";
    public const string Contended = "contended";
    public const string Unavailable = "unavailable";
    public const string Cancelled = "cancelled";

    /// <summary>The store threw what it must not throw.</summary>
    public const string Error = "error";

    public static string Of(AcquireOutcome outcome) => outcome switch
    {
        AcquireOutcome.Granted => Granted,
        AcquireOutcome.OccurrenceRunning => "occurrence_running",
        AcquireOutcome.OccurrenceSucceeded => "occurrence_succeeded",
        AcquireOutcome.OccurrenceFailed => "occurrence_failed",
        AcquireOutcome.DeferralSpent => "deferral_spent",
        _ => Contended,
    };

    /// <summary>Null if the store was unavailable.</summary>
    public static string Of(AcquireOutcome? outcome) => outcome is { } known ? Of(known) : Unavailable;

    /// <summary>What an acquire that threw tells of the store.</summary>
    public static string Of(Exception error) => error switch
    {
        TaskLockUnavailableException => Unavailable,
        OperationCanceledException => Cancelled,
        _ => Error,
    };

    public static string Of(RenewOutcome outcome) => outcome switch
    {
        RenewOutcome.Renewed => "renewed",
        RenewOutcome.NotYours => "not_yours",
        RenewOutcome.Missing => "missing",
        _ => "transient",
    };

    public static string Of(LeaseLoss loss) => loss switch
    {
        LeaseLoss.HeldTooLong => "held_too_long",
        LeaseLoss.Taken => "taken",
        LeaseLoss.Gone => "gone",
        LeaseLoss.Broken => "broken",
        _ => "expired",
    };

    public static string Of(LockDecision decision) => decision switch
    {
        LockDecision.Run { Lease: null } => "run_without_lock",
        LockDecision.Run => "run",
        LockDecision.Skip => "skip",
        LockDecision.Defer => "defer",
        _ => "fail",
    };
}
