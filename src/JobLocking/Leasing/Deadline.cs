namespace JobLocking.Leasing;

/// <summary>The moment, on the holder's own monotonic clock, after which it must not believe in its lease.</summary>
internal static class Deadline
{
    private static readonly TimeSpan FixedDrift = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// Counted from before the request was sent, because nobody knows when it arrived, and less what two clocks may drift
    /// apart meanwhile: 1 % and 2 ms, as in Redlock (https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/).
    /// </summary>
    public static long After(TimeProvider time, long sentAt, TimeSpan expiry) =>
        Add(time, sentAt, expiry - Drift(expiry));

    public static TimeSpan Drift(TimeSpan expiry) => (expiry / 100) + FixedDrift;

    public static long Add(TimeProvider time, long timestamp, TimeSpan span) =>
        timestamp + (long)(span.TotalSeconds * time.TimestampFrequency);

    public static TimeSpan Until(TimeProvider time, long timestamp) => time.GetElapsedTime(time.GetTimestamp(), timestamp);
}
