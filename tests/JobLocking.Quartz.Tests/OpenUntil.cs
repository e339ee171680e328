using Quartz.Impl.Calendar;

namespace JobLocking.Quartz.Tests;

/// <summary>A calendar that excludes everything after a moment.</summary>
internal sealed class OpenUntil(DateTimeOffset end) : BaseCalendar
{
    public override bool IsTimeIncluded(DateTimeOffset timeUtc) => timeUtc < end && base.IsTimeIncluded(timeUtc);

    public override DateTimeOffset GetNextIncludedTimeUtc(DateTimeOffset timeUtc) => throw new NotSupportedException();
}
