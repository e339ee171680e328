namespace JobLocking;

/// <summary>What happens to an execution that finds its lock taken.</summary>
public enum LockConflict
{
    /// <summary>
    /// Skips an execution that the schedule will run again, while the same job holds the lock. Defers everything else.
    /// </summary>
    /// <remarks>
    /// <para>
    /// An execution is skipped only if it is the first attempt of a recurring job, and every holder is the same job or a foreign
    /// client. Two executions are the same job if they have the same application and host environment, type and method, recurring
    /// id or job key, arguments or job data, and scheduler. In Quartz, schedulers with the same name are the same; a node's name in it
    /// does not count. In Hangfire, the servers of one storage are the same; in a process with servers on several storages, their
    /// names distinguish them. If one of these facts is unknown, for example because a value of the job data has no text form, it is
    /// not the same job.
    /// </para>
    /// <para>
    /// In Quartz, an execution is deferred, too, while the process of a holder does not answer, because its run may have ended in the
    /// middle. On a Redis Cluster that is not known, and the execution is skipped.
    /// </para>
    /// <para>
    /// If a schedule wants each of its executions (MisfireHandlingMode.Strict in Hangfire, IgnoreMisfires in Quartz) or has no next
    /// one, each is deferred, at most 1,000 at a time. Where <see cref="TaskLockAttribute.OncePerOccurrence"/> is off, nodes that do not
    /// share a scheduler database each defer their own execution, and each node runs it in the end.
    /// </para>
    /// </remarks>
    Auto,

    /// <summary>
    /// Skips the execution, visibly. A second attempt (retry, redelivery, recovery, returned deferral) is deferred instead,
    /// because skipping it would lose work.
    /// </summary>
    Skip,

    /// <summary>Defers the execution: it runs after a wake-up, or tries again after <see cref="TaskLockAttribute.DeferBy"/>.</summary>
    Defer,

    /// <summary>Fails the execution with a <see cref="TaskLockConflictException"/>. The scheduler's own retry applies.</summary>
    Fail,
}
