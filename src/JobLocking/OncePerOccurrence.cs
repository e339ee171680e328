namespace JobLocking;

/// <summary>
/// Whether an occurrence, that is one scheduled fire time of a job, runs at most once over all nodes, even when their clocks differ and the
/// first run ended long ago. Quartz only: Hangfire's storage already creates one job for each occurrence.
/// </summary>
/// <remarks>
/// <para>
/// The store keeps a mark for each occurrence that runs or has run. If a node dies or loses its lease during the run, another node runs the
/// occurrence. After a failed run, only a retry runs it again.
/// </para>
/// <para>
/// Each node has to know the occurrence by itself, so its trigger has to have the same fire times on every node: cron and daily schedules
/// do, and calendar intervals and recurrence rules with a fixed start. A run by hand (<c>TriggerJob</c>) and a trigger that fires once
/// have no occurrence, unless <see cref="Always"/> says so for the latter.
/// </para>
/// <para>
/// A job that is cancelled by a shutdown must throw. If it returns, its run has succeeded, and no other node runs the occurrence.
/// </para>
/// </remarks>
public enum OncePerOccurrence
{
    /// <summary>
    /// Once wherever the nodes share no clustered job store and the trigger allows it. Off for a lock with a
    /// <see cref="TaskLockAttribute.Limit"/> above 1, under <see cref="LockUnavailable.Run"/>, and on a clustered job store, which makes
    /// one firing of each fire time itself. The start of the host warns of each trigger whose occurrences cannot be told apart.
    /// </summary>
    Auto,

    /// <summary>
    /// Once on every job store and with every limit; use it, for example, for two clusters that run the same schedule. Each occurrence that
    /// cannot run now has a deferral of its own. On a store that is not clustered, a trigger whose occurrences cannot be told apart stops
    /// the start of the host; one that is added later fails its firing. The one fire time of a trigger that fires once is an occurrence,
    /// too: give the trigger a fixed start, since with <c>StartNow</c> its time differs on each node, and each node runs it.
    /// </summary>
    Always,

    /// <summary>Each node runs its own firing, for example a job that cleans up its machine.</summary>
    Never,
}
