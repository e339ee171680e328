namespace JobLocking.Quartz;

/// <summary>The ids of the log events, stable from version to version, since alerts use them.</summary>
internal static class EventIds
{
    public const int Coalesced = 3000;
    public const int DeferredInMemory = 3001;
    public const int InterruptFailed = 3002;
    public const int UnknownJob = 3003;
    public const int GivenUpByShutdown = 3004;
    public const int Interrupted = 3005;
    public const int StuckDeferral = 3006;
    public const int RetryNotKept = 3007;
    public const int StandbyEnds = 3008;
    public const int TooManyPending = 3015;
    public const int NotOncePerOccurrence = 3016;
    public const int SchedulerUnlocked = 3025;
    public const int WrapperUnlocked = 3026;
    public const int LeaseNotUsed = 3027;
    public const int ContinuationNotMoved = 3028;
}
