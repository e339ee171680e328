namespace JobLocking.Hangfire;

/// <summary>The ids of the log events, stable from version to version, since alerts use them.</summary>
internal static class EventIds
{
    public const int ParameterRefused = 2000;
    public const int RecordNotWritten = 2001;
    public const int QueueNotRead = 2002;
    public const int Coalesced = 2015;
    public const int DeferralNotCounted = 2016;
    public const int ScheduleNotRead = 2017;
    public const int RunsOnEachNode = 2018;
    public const int TooManyPending = 2019;
    public const int InnerJobIgnored = 2020;
    public const int DeferralStateNotRead = 2021;
    public const int StateNotRead = 2022;
    public const int FilterMissing = 2025;
    public const int PostponedNotDelivered = 2026;
    public const int CouldSlide = 2027;
    public const int ServicesMissing = 2030;
    public const int TokenNotGiven = 2031;
}
