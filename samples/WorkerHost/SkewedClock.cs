namespace WorkerHost;

/// <summary>
/// A clock that is slightly wrong, as on a real node. Quartz computes the same fire times as on the other nodes, but reaches them
/// slightly earlier or later.
/// </summary>
internal sealed class SkewedClock(TimeSpan skew) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + skew;
}
