namespace JobLocking;

/// <summary>
/// The names of JobLocking's metrics, spans and tags. They are stable from version to version, so you can alert on them.
/// <c>docs/observability.md</c> describes each one.
/// </summary>
public static class JobLockingDiagnostics
{
    /// <summary>The meter of all instruments.</summary>
    public const string MeterName = "JobLocking";

    /// <summary>The source of the spans that JobLocking starts itself when the scheduler has no span to tag.</summary>
    public const string ActivitySourceName = "JobLocking";

    /// <summary>Histogram, seconds: the time from requesting a lock from the store to its answer, including a second try.</summary>
    public const string AcquireDuration = "joblocking.acquire.duration";

    /// <summary>
    /// Counter: attempts to acquire a lock, by outcome. The answer comes from the store, or from the process if it holds the lock
    /// itself.
    /// </summary>
    public const string Acquisitions = "joblocking.acquisitions";

    /// <summary>Up-down counter: leases that this process holds now.</summary>
    public const string Held = "joblocking.held";

    /// <summary>Histogram, seconds: how long leases were held until they were released or lost.</summary>
    public const string HoldDuration = "joblocking.hold.duration";

    /// <summary>
    /// Histogram, seconds: the time spent waiting in place for a lock, with or without success. Deferred executions do not wait in
    /// place.
    /// </summary>
    public const string WaitDuration = "joblocking.wait.duration";

    /// <summary>Up-down counter: executions of this process that wait for a lock now, in place or deferred.</summary>
    public const string Waiters = "joblocking.waiters";

    /// <summary>Counter: skipped executions.</summary>
    public const string Skips = "joblocking.skips";

    /// <summary>Counter: deferrals. An execution that is deferred twice counts twice.</summary>
    public const string Defers = "joblocking.defers";

    /// <summary>Counter: leases that were lost while the work was running.</summary>
    public const string Lost = "joblocking.lost";

    /// <summary>Counter: renewals, one for each lease, by outcome.</summary>
    public const string Renewals = "joblocking.renewals";

    /// <summary>
    /// Tag: the template of the lock's name, <c>invoice:{customerId}</c>; <see cref="ByHand"/> for locks taken by hand. It has as many
    /// values as there are declared locks. It is never the resolved name.
    /// </summary>
    public const string LockTag = "joblocking.lock";

    /// <summary>Tag: <c>Hangfire</c>, <c>Quartz/name</c>, or <see cref="ByHand"/>. It has as many values as there are schedulers.</summary>
    public const string SchedulerTag = "joblocking.scheduler";

    /// <summary>Tag: the outcome of an acquire, of a wait or of a renewal. A fixed set of values.</summary>
    public const string OutcomeTag = "joblocking.outcome";

    /// <summary>Tag: why an execution was skipped or deferred, or why a lease was lost. A fixed set of values.</summary>
    public const string ReasonTag = "joblocking.reason";

    /// <summary>Tag of spans only: the resolved name of the lock. No metric has it, because the number of values is unlimited.</summary>
    public const string LockNameTag = "joblocking.lock_name";

    /// <summary>
    /// Tag of spans only: the decision about the execution: <c>run</c>, <c>run_without_lock</c>, <c>skip</c>, <c>defer</c> or
    /// <c>fail</c>.
    /// </summary>
    public const string DecisionTag = "joblocking.decision";

    /// <summary>Tag of spans only: the fencing token of the lease.</summary>
    public const string FencingTokenTag = "joblocking.fencing_token";

    /// <summary>Tag of spans only: the holder of the lock when the execution was skipped or deferred.</summary>
    public const string HolderTag = "joblocking.holder";

    /// <summary>
    /// Tag of spans only: why the lease was lost during the run; absent if it was not lost. The values are the reasons of
    /// <see cref="Lost"/>.
    /// </summary>
    public const string LossTag = "joblocking.loss";

    /// <summary>
    /// The value of <see cref="LockTag"/> and <see cref="SchedulerTag"/> for locks taken by hand, whose names have no template.
    /// </summary>
    public const string ByHand = "code";
}
