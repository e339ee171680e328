namespace JobLocking.Leasing;

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
        try
        {
            report();
            return Task.CompletedTask;
        }
#pragma warning disable CA1031 // Foreign code: its exceptions must not end the alarm.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Task.FromException(e);
        }
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _timer = null;
    }

    private ITimer CreateTimer()
    {
        // Otherwise the timer would keep the execution context of the first job, with its ambient lease and its trace.
        using (ExecutionContext.SuppressFlow())
        {
            return time.CreateTimer(static ring => ((Action)ring!).Invoke(), ring, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
