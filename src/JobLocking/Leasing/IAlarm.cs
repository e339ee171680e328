namespace JobLocking.Leasing;

/// <summary>Calls the renewal loop when something is due, and runs what the loop has to do then.</summary>
internal interface IAlarm : IDisposable
{
    /// <summary>How long before its deadline a lease has to be ended, so that its holder knows by then: what it may take to wake a thread.</summary>
    TimeSpan Earliness { get; }

    /// <summary>Where renewals are sent and their answers applied.</summary>
    TaskScheduler Scheduler { get; }

    /// <summary>Rings once after this time, instead of when it was set to before. After <see cref="IDisposable.Dispose"/> too.</summary>
    void Set(TimeSpan wait);

    /// <summary>Runs code that may take its time, a log's for example, without holding up the alarm.</summary>
    Task Afterwards(Action report);
}
