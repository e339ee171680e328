namespace JobLocking.TestWorker.Chaos;

/// <summary>What a scheduler under faults, or one of its jobs, may report. All from <see cref="Succeeded"/> to <see cref="Cancelled"/> end a firing.</summary>
internal enum QuartzEventKind
{
    /// <summary>The schedule is there: each of its times after this one is fired.</summary>
    Scheduled,

    /// <summary>The scheduler is about to stand by: what its schedule means for later need not be fired.</summary>
    Stopping,

    /// <summary>A trigger has fired, and the lock has not been requested yet. The detail says which trigger.</summary>
    Fired,

    /// <summary>The job has been started, under a lease.</summary>
    Ran,

    /// <summary>The job has done its work and is about to return.</summary>
    Done,

    /// <summary>It ended as a success, without a report of something else.</summary>
    Succeeded,

    /// <summary>It was reported that it does not run; the detail says why.</summary>
    Skipped,

    /// <summary>It was reported that a deferral which is pending stands for it.</summary>
    Coalesced,

    /// <summary>It was reported that it comes back; the detail says by when.</summary>
    Deferred,

    /// <summary>It was reported that another firing replaced it.</summary>
    Woken,

    /// <summary>It failed, for good.</summary>
    Failed,

    /// <summary>It failed, and is tried again.</summary>
    Retried,

    /// <summary>It ended in any other way.</summary>
    Cancelled,

    /// <summary>When all was at rest its trigger was still there.</summary>
    Pending,
}
