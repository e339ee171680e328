namespace JobLocking.Hangfire;

/// <summary>Settings of the Hangfire adapter.</summary>
public sealed class HangfireTaskLockOptions
{
    /// <summary>
    /// Whether Hangfire keeps a job that was created for an occurrence of a recurring job and skipped, with the reason, for as long as it
    /// keeps other deleted jobs: a day by default. Default true. With false, its storage removes the job after a minute. The log, the
    /// metrics and Hangfire's own counters show the skip in any case.
    /// </summary>
    public bool KeepSkippedJobs { get; set; } = true;
}
