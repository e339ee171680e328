namespace JobLocking.Renewal;

/// <summary>Rings by a timer of the <see cref="TimeProvider"/>.</summary>
internal sealed class AlarmTimer(TimeProvider time, Action ring) : Alarm
{
    private ITimer? _timer;

    public override TimeSpan Earliness => TimeSpan.Zero;

    public override TaskScheduler Scheduler => TaskScheduler.Default;

    public override void Set(TimeSpan wait)
    {
        _timer ??= CreateTimer();
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    public override void Afterwards(Action report) => report();

    public override void Dispose()
    {
        _timer?.Dispose();
        _timer = null;
    }

    private ITimer CreateTimer()
    {
        // A timer that captured the context of the first job would keep its ambient lease and its trace for ever.
        using (ExecutionContext.SuppressFlow())
        {
            return time.CreateTimer(static ring => ((Action)ring!).Invoke(), ring, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
