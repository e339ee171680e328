
namespace JobLocking.Leasing;

/// <summary>
/// Rings on a thread of its own, which also sends the renewals and applies their answers. Deadlines must not depend on the
/// thread pool: while more jobs block than it has threads, a timer of the pool fires seconds late. The thread ends when it has had
/// nothing to do for a while.
/// </summary>
internal sealed class AlarmThread(TimeProvider time, Action ring) : IAlarm
{
    private readonly object _gate = new();
    private readonly Queue<Task> _tasks = [];
    private Thread? _thread;
    private long _ringAt = long.MaxValue;
    private bool _disposed;

    public TimeSpan Earliness => LeaseTimes.AlarmThreadEarliness;

    public TaskScheduler Scheduler => field ??= new OnThread(this);

    public void Set(TimeSpan wait)
    {
        lock (_gate)
        {
            _ringAt = Deadline.Add(time, time.GetTimestamp(), wait);
            Wake();
        }
    }

    public Task Afterwards(Action report) => Task.Run(report);

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _ringAt = long.MaxValue;
            Monitor.Pulse(_gate);
        }
    }

    private void Wake()
    {
        if (_thread is null)
        {
            // Unsafe: otherwise the thread would keep the execution context of the first job, with its ambient lease and its trace.
            // The field is set after the start, which fails when the machine has no thread left.
            Thread thread = new(Run) { IsBackground = true, Name = "JobLocking leases", Priority = ThreadPriority.AboveNormal };
            thread.UnsafeStart();
            _thread = thread;
        }
        else
        {
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        while (Next(out Task? task))
        {
            if (task is null)
            {
                ring();
            }
            else
            {
                ((OnThread)Scheduler).Execute(task);
            }
        }
    }

    /// <summary>Waits until there is a task to run, or until the alarm has to ring, whichever comes first.</summary>
    /// <returns>False when the thread may end.</returns>
    private bool Next(out Task? task)
    {
        task = null;
        lock (_gate)
        {
            long idleUntil = Deadline.Add(time, time.GetTimestamp(), LeaseTimes.AlarmThreadIdle);
            while (true)
            {
                long now = time.GetTimestamp();
                if (now >= _ringAt)
                {
                    _ringAt = long.MaxValue;
                    return true;
                }

                if (_tasks.TryDequeue(out task))
                {
                    return true;
                }

                if (_ringAt == long.MaxValue && (_disposed || now >= idleUntil))
                {
                    _thread = null;
                    return false;
                }

                Monitor.Wait(_gate, UpToAMillisecondMore(time.GetElapsedTime(now, _ringAt == long.MaxValue ? idleUntil : _ringAt)));
            }
        }
    }

    private static int UpToAMillisecondMore(TimeSpan wait) => (int)Math.Min(int.MaxValue, Math.Ceiling(wait.TotalMilliseconds));

    private void Enqueue(Task task)
    {
        lock (_gate)
        {
            _tasks.Enqueue(task);
            Wake();
        }
    }

    private sealed class OnThread(AlarmThread alarm) : TaskScheduler
    {
        public override int MaximumConcurrencyLevel => 1;

        public void Execute(Task task) => TryExecuteTask(task);

        protected override void QueueTask(Task task) => alarm.Enqueue(task);

        protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) =>
            !taskWasPreviouslyQueued && Thread.CurrentThread == alarm._thread && TryExecuteTask(task);

        protected override IEnumerable<Task> GetScheduledTasks()
        {
            lock (alarm._gate)
            {
                return [.. alarm._tasks];
            }
        }
    }
}
