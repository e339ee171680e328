namespace JobLocking.Telemetry;

/// <summary>The ids of the log events, stable from version to version: people alert on them.</summary>
internal static class EventIds
{
    public const int Acquired = 1000;
    public const int Released = 1001;
    public const int ReleasedTooLate = 1002;
    public const int ReleaseFailed = 1003;
    public const int ReleaseGivenUp = 1004;
    public const int LeaseLost = 1005;
    public const int LostCallbackFailed = 1006;
    public const int RenewalFailed = 1007;
    public const int SucceededAfterLoss = 1008;
    public const int NotDrained = 1009;

    public const int Skipped = 1100;
    public const int Deferred = 1101;
    public const int Failed = 1102;
    public const int RunsWithoutLock = 1103;
    public const int Unavailable = 1104;
    public const int OtherApplication = 1105;
    public const int NoExpiry = 1106;
    public const int Woken = 1107;
    public const int WakeFailed = 1108;
    public const int DeclineFailed = 1109;
    public const int PollFailed = 1110;
    public const int DeferralSpent = 1115;
    public const int StandsBy = 1116;
    public const int TakesOver = 1117;
    public const int OccurrenceForgotten = 1118;
    public const int DeliveryPostponed = 1119;
    public const int AvailableAgain = 1120;
    public const int WakeUpNotAccepted = 1140;

    public const int Locks = 1145;
    public const int LockHidden = 1146;
    public const int AdapterMissing = 1147;

    public const int Broken = 1200;
    public const int SubscribeFailed = 1201;
    public const int StoreWarning = 1202;
    public const int UnmatchedOverride = 1203;
    public const int StoreCheckFailed = 1210;
    public const int ConnectionReplaced = 1211;
    public const int OverrideApplied = 1212;
    public const int SubscriptionLost = 1213;
}
