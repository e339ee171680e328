namespace WorkerHost;

/// <summary>The clock of a node is never quite right. Quartz computes the same fire times from it as the other nodes do, and reaches them a little earlier or later.</summary>
internal sealed class SkewedClock(TimeSpan skew) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + skew;
}
