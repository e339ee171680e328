namespace JobLocking.Renewal;

/// <summary>Calls the renewal loop when something is due, and runs what the loop has to do then.</summary>
internal abstract class Alarm : IDisposable
{
    /// <summary>How long before its deadline a lease has to be ended, so that its holder knows by then: what it may take to wake a thread.</summary>
    public abstract TimeSpan Earliness { get; }

    /// <summary>Where renewals are sent and their answers applied.</summary>
    public abstract TaskScheduler Scheduler { get; }

    /// <summary>A thread of its own by the machine's clock; any other clock, a test's for example, has its timers.</summary>
    public static Alarm For(TimeProvider time, Action ring) =>
        time == TimeProvider.System ? new AlarmThread(time, ring) : new AlarmTimer(time, ring);

    /// <summary>Rings once after this time, instead of when it was set to before.</summary>
    public abstract void Set(TimeSpan wait);

    /// <summary>Runs code that may take its time, a log's for example, without holding up the alarm.</summary>
    public abstract void Afterwards(Action report);

    /// <summary>No more is due. Setting it again is allowed.</summary>
    public abstract void Dispose();
}
