namespace JobLocking.Leasing;

/// <summary>The moment, on the holder's own monotonic clock, at which it must stop believing in its lease.</summary>
internal static class Deadline
{
    /// <summary>
    /// Counts from the moment before the request was sent, because the holder cannot know when it arrived, and subtracts the
    /// <see cref="LeaseTimes.Drift"/> of the two clocks.
    /// </summary>
    public static long After(TimeProvider time, long sentAt, TimeSpan expiry) =>
        Add(time, sentAt, expiry - LeaseTimes.Drift(expiry));

    public static long Add(TimeProvider time, long timestamp, TimeSpan span) =>
        timestamp + (long)(span.TotalSeconds * time.TimestampFrequency);

    public static TimeSpan Until(TimeProvider time, long timestamp) => time.GetElapsedTime(time.GetTimestamp(), timestamp);
}
