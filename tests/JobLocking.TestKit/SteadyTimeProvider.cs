using Microsoft.Extensions.Time.Testing;

namespace JobLocking.TestKit;

/// <summary>
/// A fake clock whose wall clock can jump while timers and timestamps stay steady, as on a machine whose time is set;
/// <see cref="FakeTimeProvider.AdjustTime"/> also moves the timestamps.
/// </summary>
public sealed class SteadyTimeProvider : FakeTimeProvider
{
    private long _jumped;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _jumped));

    /// <inheritdoc/>
    public override long GetTimestamp() => base.GetUtcNow().Ticks;

    /// <summary>Sets the wall clock forward, or back, without time passing.</summary>
    public void JumpWallClock(TimeSpan by) => Interlocked.Add(ref _jumped, by.Ticks);
}
