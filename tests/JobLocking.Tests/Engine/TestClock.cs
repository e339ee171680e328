using Microsoft.Extensions.Time.Testing;

namespace JobLocking.Tests.Engine;

/// <summary>A clock that advances on request, and whose timers can be kept from firing, as in a frozen process.</summary>
internal sealed class TestClock() : FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
{
    private int _timers;

    public bool TimersAreFrozen { get; set; }

    /// <summary>Timers that were created and not disposed of.</summary>
    public int Timers => Volatile.Read(ref _timers);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Increment(ref _timers);
        ITimer timer = base.CreateTimer(
            fired =>
            {
                if (!TimersAreFrozen)
                {
                    callback(fired);
                }
            },
            state,
            dueTime,
            period);
        return new Counted(this, timer);
    }

    private sealed class Counted(TestClock clock, ITimer timer) : ITimer
    {
        private int _disposed;

        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

        public void Dispose()
        {
            timer.Dispose();
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                Interlocked.Decrement(ref clock._timers);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
