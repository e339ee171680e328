namespace JobLocking.Telemetry;

/// <summary>
/// When a lock was asked for. Where the job's own span begins only after the lock was had, the span of the acquire is started
/// once that is known, with these times: a span cannot be moved to another trace.
/// </summary>
internal sealed class PastAcquire(TimeProvider time)
{
    public DateTimeOffset Start { get; } = time.GetUtcNow();

    public DateTimeOffset End { get; private set; }

    public void Ends() => End = time.GetUtcNow();
}
