namespace JobLocking.Stores.InMemory;

/// <summary>
/// Expiries are measured on the monotonic clock. Values that grow from one run of the process to the next, as in Redis, come from the wall
/// clock.
/// </summary>
internal sealed class MemoryClock(TimeProvider time)
{
    public long Microseconds => (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset Utc(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);

    public long After(TimeSpan span) => time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);

    public TimeSpan Until(long end) => time.GetElapsedTime(time.GetTimestamp(), end);

    public bool HasPassed(long end) => end <= time.GetTimestamp();
}
