namespace JobLocking.Renewal;

/// <summary>Rings by a timer of the <see cref="TimeProvider"/>.</summary>
internal sealed class AlarmTimer(TimeProvider time, Action ring) : IAlarm
{
    private ITimer? _timer;

    public TimeSpan Earliness => TimeSpan.Zero;

    public TaskScheduler Scheduler => TaskScheduler.Default;

    public void Set(TimeSpan wait)
    {
        _timer ??= CreateTimer();
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    public Task Afterwards(Action report)
    {
        report();
        return Task.CompletedTask;
    }

    public void Dispose()
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
