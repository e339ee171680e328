namespace JobLocking;

/// <summary>
/// The names of what JobLocking measures and traces, stable from version to version: people alert on them.
/// <c>docs/observability.md</c> says what each tells.
/// </summary>
public static class JobLockingDiagnostics
{
    /// <summary>The meter of all instruments.</summary>
    public const string MeterName = "JobLocking";

    /// <summary>The source of the spans that JobLocking starts itself, where a scheduler has none that could be tagged.</summary>
    public const string ActivitySourceName = "JobLocking";

    /// <summary>Histogram, seconds: from asking the store for a lock to its answer, a second try included.</summary>
    public const string AcquireDuration = "joblocking.acquire.duration";

    /// <summary>Counter: how the questions for a lock were answered, by the store or by what the process knows itself.</summary>
    public const string Acquisitions = "joblocking.acquisitions";

    /// <summary>Up-down counter: leases held now by this process.</summary>
    public const string Held = "joblocking.held";

    /// <summary>Histogram, seconds: how long leases were held, until they were given back or lost.</summary>
    public const string HoldDuration = "joblocking.hold.duration";

    /// <summary>Histogram, seconds: how long who waited in place did so, whether or not it had the lock in the end. What is deferred does not wait in place.</summary>
    public const string WaitDuration = "joblocking.wait.duration";

    /// <summary>Up-down counter: executions that this process has parked now, in place or deferred.</summary>
    public const string Waiters = "joblocking.waiters";

    /// <summary>Counter: executions that were skipped.</summary>
    public const string Skips = "joblocking.skips";

    /// <summary>Counter: executions that were deferred, each time they were.</summary>
    public const string Defers = "joblocking.defers";

    /// <summary>Counter: leases that were lost while they were held.</summary>
    public const string Lost = "joblocking.lost";

    /// <summary>Counter: what became of the renewals, lease by lease.</summary>
    public const string Renewals = "joblocking.renewals";

    /// <summary>Tag: the template of the lock's name, <c>invoice:{customerId}</c>; <see cref="ByHand"/> for locks taken by hand. As many values as there are locks declared, never the resolved name.</summary>
    public const string LockTag = "joblocking.lock";

    /// <summary>Tag: <c>Hangfire</c>, <c>Quartz/name</c>, or <see cref="ByHand"/>. As many values as there are schedulers.</summary>
    public const string SchedulerTag = "joblocking.scheduler";

    /// <summary>Tag: the answer to a question for a lock or to a renewal. A closed set.</summary>
    public const string OutcomeTag = "joblocking.outcome";

    /// <summary>Tag: why an execution was skipped or deferred, or a lease lost. A closed set.</summary>
    public const string ReasonTag = "joblocking.reason";

    /// <summary>Tag of spans only: the resolved name of the lock. Without bounds, so that no instrument has it.</summary>
    public const string LockNameTag = "joblocking.lock_name";

    /// <summary>Tag of spans only: what became of the execution: <c>run</c>, <c>run_without_lock</c>, <c>skip</c>, <c>defer</c> or <c>fail</c>.</summary>
    public const string DecisionTag = "joblocking.decision";

    /// <summary>Tag of spans only: the fencing token of the lease.</summary>
    public const string FencingTokenTag = "joblocking.fencing_token";

    /// <summary>Tag of spans only: who had the lock when the execution was skipped or deferred.</summary>
    public const string HolderTag = "joblocking.holder";

    /// <summary>Tag of spans only: how the lease was lost during the run; absent if it was not. The values are those of the reason of <see cref="Lost"/>.</summary>
    public const string LossTag = "joblocking.loss";

    /// <summary>The value of <see cref="LockTag"/> and <see cref="SchedulerTag"/> for locks taken by hand, whose names have no template.</summary>
    public const string ByHand = "code";
}
