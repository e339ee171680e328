namespace JobLocking.Telemetry;

/// <summary>What a span shows of an acquire for a job.</summary>
/// <param name="Template">The template of the lock's name.</param>
/// <param name="Name">The resolved name.</param>
/// <param name="Scheduler">The scheduler of the job.</param>
/// <param name="Decision">What the engine decided.</param>
internal readonly record struct AcquireTags(string Template, string Name, string Scheduler, string Decision)
{
    /// <summary>Why the execution was skipped or deferred.</summary>
    public string? Reason { get; init; }

    /// <summary>The holder of the lock when the execution was skipped or deferred.</summary>
    public LockHolder? Holder { get; init; }

    /// <summary>The token of the lease under which the job runs.</summary>
    public long? FencingToken { get; init; }
}
