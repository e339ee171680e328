namespace JobLocking.TestWorker.Chaos;

/// <summary>The wall clock of a machine that is ahead of this one, or behind it. Its monotonic clock is the same.</summary>
internal sealed class ShiftedClock(TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;
}
