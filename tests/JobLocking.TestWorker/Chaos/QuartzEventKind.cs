namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// What a scheduler under faults, or one of its jobs, may report. All values from <see cref="Succeeded"/> to <see cref="Cancelled"/> end a
/// firing.
/// </summary>
internal enum QuartzEventKind
{
    /// <summary>The schedule exists: each of its times after this one has to be fired.</summary>
    Scheduled,

    /// <summary>The scheduler is about to go into standby: later times of its schedule need not be fired.</summary>
    Stopping,

    /// <summary>A trigger has fired, and the lock has not been requested yet. The detail says which trigger.</summary>
    Fired,

    /// <summary>The job has been started, under a lease.</summary>
    Ran,

    /// <summary>The job has done its work and is about to return.</summary>
    Done,

    /// <summary>It ended as a success, without a report of something else.</summary>
    Succeeded,

    /// <summary>It was reported as skipped; the detail says why.</summary>
    Skipped,

    /// <summary>It was reported that a pending deferral stands for it.</summary>
    Coalesced,

    /// <summary>It was reported that it comes back; the detail says by when.</summary>
    Deferred,

    /// <summary>It was reported that another firing replaced it.</summary>
    Woken,

    /// <summary>It failed, for good.</summary>
    Failed,

    /// <summary>It failed, and is retried.</summary>
    Retried,

    /// <summary>It ended in any other way.</summary>
    Cancelled,

    /// <summary>When everything was at rest, its trigger still existed.</summary>
    Pending,
}
