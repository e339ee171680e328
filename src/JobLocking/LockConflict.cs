namespace JobLocking;

/// <summary>What becomes of an execution that finds its lock taken.</summary>
public enum LockConflict
{
    /// <summary>
    /// Skip what the schedule will run again while the same job is at it, defer everything else. An execution is
    /// skipped only if it is the first attempt of a recurring job and the holder is that very job of the same application, or
    /// a foreign client. A schedule that wants each of its executions (MisfireHandlingMode.Strict in Hangfire, IgnoreMisfires in
    /// Quartz) or has no next one gets each deferred, at most 1,000 at a time. Nodes that share no scheduler database each defer their own execution, and each runs it in the end;
    /// where that must not be, use <see cref="TaskLockAttribute.OncePerOccurrence"/>.
    /// </summary>
    Auto,

    /// <summary>Skip the execution, visibly. A second attempt (retry, redelivery, recovery, returned deferral) is deferred instead: skipping it would lose work.</summary>
    Skip,

    /// <summary>Put the execution back and try again after <see cref="TaskLockAttribute.DeferBy"/>.</summary>
    Defer,

    /// <summary>Fail with a <see cref="TaskLockConflictException"/>; the scheduler's own retry decides what follows.</summary>
    Fail,
}
