namespace JobLocking;

/// <summary>What becomes of an execution that finds its lock taken.</summary>
public enum LockConflict
{
    /// <summary>
    /// Skip what the schedule will run again while the same job is at it, defer everything else. An execution is
    /// skipped only if it is the first attempt of a recurring job and the holder is the same job, or a foreign client. The same job
    /// is one of the same application and host environment, with the same type and method, the same recurring id or job key, the same
    /// arguments or job data, in the same scheduler: in Quartz the one of that name, where the node's name in it does not count; in
    /// Hangfire the servers of one storage, told apart by their names in a process that has servers on several storages. Where that
    /// is not known, for example because a value of the job data has no text of its own, it is not the same job.
    /// A schedule that wants each of its executions (MisfireHandlingMode.Strict in Hangfire, IgnoreMisfires in Quartz) or has no next
    /// one gets each deferred, at most 1,000 at a time. Nodes that share no scheduler database each defer their own execution, and
    /// each runs it in the end; where that must not be, use <see cref="TaskLockAttribute.OncePerOccurrence"/>.
    /// </summary>
    Auto,

    /// <summary>Skip the execution, visibly. A second attempt (retry, redelivery, recovery, returned deferral) is deferred instead: skipping it would lose work.</summary>
    Skip,

    /// <summary>Put the execution back and try again after <see cref="TaskLockAttribute.DeferBy"/>.</summary>
    Defer,

    /// <summary>Fail with a <see cref="TaskLockConflictException"/>; the scheduler's own retry decides what follows.</summary>
    Fail,
}
