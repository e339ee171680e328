namespace JobLocking.Simulation.Time;

/// <summary>The clock of the server, by which leases expire there. It can be set: then, as in Redis, all of them end sooner, or later.</summary>
internal sealed class ServerClock(World world) : TimeProvider
{
    private TimeSpan _stepped;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override DateTimeOffset GetUtcNow() => World.Start.AddTicks(world.Now) + _stepped;

    public void Step(TimeSpan by) => _stepped += by;
}
