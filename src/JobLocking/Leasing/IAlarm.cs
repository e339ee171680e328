namespace JobLocking.Leasing;

/// <summary>Calls the renewal loop when something is due, and runs what the loop has to do then.</summary>
internal interface IAlarm : IDisposable
{
    /// <summary>
    /// How long before its deadline a lease has to be ended so that its holder knows by the deadline: the time that a thread may need to
    /// wake up.
    /// </summary>
    TimeSpan Earliness { get; }

    /// <summary>Where renewals are sent and their answers applied.</summary>
    TaskScheduler Scheduler { get; }

    /// <summary>
    /// Rings once after this time. Replaces the time that was set before. Also works after <see cref="IDisposable.Dispose"/>.
    /// </summary>
    void Set(TimeSpan wait);

    /// <summary>Runs code that may take its time, for example that of a log, without holding up the alarm.</summary>
    Task Afterwards(Action report);
}
