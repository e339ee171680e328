using JobLocking.Policy;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>How a lease was lost.</summary>
internal enum LeaseLoss
{
    /// <summary>Its deadline passed: it was not renewed in time, or the process was frozen.</summary>
    Expired,

    /// <summary>Its deadline passed at the end of its maximum hold.</summary>
    HeldTooLong,

    /// <summary>The store says that another lease holds the lock.</summary>
    Taken,

    /// <summary>The store says that no lease holds the lock.</summary>
    Gone,

    /// <summary>An operator ended it.</summary>
    Broken,
}

internal static class LeaseLossText
{
    /// <summary>The loss as a tag of metrics and spans.</summary>
    public static string Tag(this LeaseLoss loss) => loss switch
    {
        LeaseLoss.HeldTooLong => "held_too_long",
        LeaseLoss.Taken => "taken",
        LeaseLoss.Gone => "gone",
        LeaseLoss.Broken => "broken",
        _ => "expired",
    };

    /// <summary>For logs and exceptions: how the lease was lost, and what to check.</summary>
    public static (string Cause, string Advice) Describe(this LeaseLoss loss, LeaseTerms terms) => loss switch
    {
        LeaseLoss.Taken => (
            "another holder has taken it",
            "Look for a key that was deleted, a failover of the store, or a process that was frozen"),
        LeaseLoss.Gone => ("its key is gone from the store", "Look for a key that was deleted or evicted, or a failover of the store"),
        LeaseLoss.Broken => ("an operator has broken it", "Another execution may begin before this one has stopped"),
        LeaseLoss.HeldTooLong => (
            Invariant($"it was held for its MaxHold of {terms.MaxHold.TotalSeconds} seconds"),
            "Find out what keeps the job so long, or set a longer MaxHold"),
        _ => (
            "it could not be renewed before its deadline",
            "Look for an outage of the store, or a process that was frozen; with a longer Expire the lease survives a longer outage"),
    };
}
