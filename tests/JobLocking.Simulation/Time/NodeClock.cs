namespace JobLocking.Simulation.Time;

/// <summary>
/// The clock of one process: it runs a little too fast or too slow, its wall clock is set wrongly, and its timers fire only while the
/// process runs, so not while it is frozen and never when it is dead.
/// </summary>
internal sealed class NodeClock(World world, double rate, TimeSpan skew, Action<Action> onNode) : TimeProvider
{
    private readonly long _bornAt = world.Now;

    /// <summary>Timers that will fire: an idle process has none.</summary>
    public int Armed { get; private set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => (long)((world.Now - _bornAt) * rate);

    public override DateTimeOffset GetUtcNow() => World.Start.AddTicks(world.Now) + skew;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Timer timer = new(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(NodeClock clock, Action callback) : ITimer
    {
        private bool _isArmed;
        private int _version;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (period != Timeout.InfiniteTimeSpan && period != TimeSpan.Zero)
            {
                throw new NotSupportedException("No timer of the engine fires more than once.");
            }

            int version = ++_version;
            Arm(dueTime != Timeout.InfiniteTimeSpan);
            if (_isArmed)
            {
                clock.After(dueTime, () => Fire(version));
            }

            return true;
        }

        public void Dispose()
        {
            _version++;
            Arm(false);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private void Fire(int version)
        {
            if (version == _version)
            {
                Arm(false);
                callback();
            }
        }

        private void Arm(bool armed)
        {
            clock.Armed += (armed ? 1 : 0) - (_isArmed ? 1 : 0);
            _isArmed = armed;
        }
    }

    private void After(TimeSpan due, Action fire) => world.At(world.Now + (long)Math.Ceiling(due.Ticks / rate), () => onNode(fire));
}
