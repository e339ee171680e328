namespace JobLocking.Simulation.Time;

/// <summary>The clock of the server, by which leases expire there. If it is set, all leases end sooner or later, as in Redis.</summary>
internal sealed class ServerClock(World world) : TimeProvider
{
    private TimeSpan _stepped;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override DateTimeOffset GetUtcNow() => World.Start.AddTicks(world.Now) + _stepped;

    public void Step(TimeSpan by) => _stepped += by;
}
