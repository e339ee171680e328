namespace JobLocking.Telemetry;

/// <summary>
/// The times of an acquire whose span is started later. Where the job's own span begins after the lock was acquired, the span of the
/// acquire is started below it then, with these times: a span cannot be moved to another trace.
/// </summary>
internal sealed class PastAcquire(TimeProvider time)
{
    public DateTimeOffset Start { get; } = time.GetUtcNow();

    public DateTimeOffset End { get; private set; }

    public void Ends() => End = time.GetUtcNow();
}
