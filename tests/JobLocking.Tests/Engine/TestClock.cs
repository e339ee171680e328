using Microsoft.Extensions.Time.Testing;

namespace JobLocking.Tests.Engine;

/// <summary>A clock that goes when it is told to, and whose timers can be kept from firing as in a process that is frozen.</summary>
internal sealed class TestClock() : FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
{
    public bool TimersAreFrozen { get; set; }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(
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
}
