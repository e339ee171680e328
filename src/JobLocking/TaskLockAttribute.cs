using JobLocking.Policy;

namespace JobLocking;

/// <summary>
/// Limits a job, together with every other job with the same lock name, to one execution at a time over all nodes that share
/// the store. Put it on the class or interface of a Hangfire or Quartz job, or on a Hangfire job's method. An attribute on the
/// method wins over the one on the class. A job that is enqueued through an interface or base class uses the attribute there;
/// without one, it uses the attribute that all its implementations have in common. The scheduler's adapter must be registered.
/// </summary>
/// <remarks>
/// All times are whole seconds. <see cref="JobLockingOptions"/> has the defaults for properties that are not set here.
/// Configuration under <c>JobLocking:Locks</c> overrides both. The values are checked when the host starts.
/// </remarks>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Interface | AttributeTargets.Method, Inherited = true, AllowMultiple = false)]
public sealed class TaskLockAttribute : Attribute
{
    /// <summary>Declares the lock.</summary>
    /// <param name="name">
    /// The template of the name, for example <c>nightly-report</c>. In a Hangfire job, <c>{customerId}</c>, <c>{0}</c> and
    /// <c>{order.Id}</c> stand for its arguments. In a Quartz job, <c>{key}</c> stands for a value of the merged JobDataMap.
    /// <c>{{</c> is a literal brace. Equal values give the same name: an instant is written in UTC, whatever its kind or offset.
    /// Collections and records are refused. A resolved name has at most 512 bytes of UTF-8.
    /// </param>
    public TaskLockAttribute(string name) => Name = name;

    /// <summary>The template of the lock's name.</summary>
    public string Name { get; }

    /// <summary>
    /// The expiry of the lease, in seconds. It is renewed at a third of this time while the job runs.
    /// If the holder's process is killed, the lock is free after this time at the latest.
    /// </summary>
    /// <value>Default 60, from 1 to 604800 (7 days).</value>
    public int Expire
    {
        get => Settings.Expire ?? LockSettings.BuiltIn.Expire!.Value;
        set => Settings.Expire = value;
    }

    /// <summary>
    /// The longest time a run may hold the lock, in seconds. After this time the lease is lost and the job learns of it, so a stuck job
    /// cannot block the others for longer.
    /// </summary>
    /// <value>
    /// Default 0: no limit. Otherwise at least <see cref="Expire"/>. If it equals <see cref="Expire"/>, the lease is never renewed.
    /// </value>
    public int MaxHold
    {
        get => Settings.MaxHold ?? LockSettings.BuiltIn.MaxHold!.Value;
        set => Settings.MaxHold = value;
    }

    /// <summary>
    /// The shortest time the lock stays taken after it was acquired, in seconds, even if the run succeeded sooner.
    /// Use it for short jobs: a node whose clock is behind could start the job after the first run has ended.
    /// </summary>
    /// <value>Default 0, at most <see cref="Expire"/>.</value>
    public int MinHold
    {
        get => Settings.MinHold ?? LockSettings.BuiltIn.MinHold!.Value;
        set => Settings.MinHold = value;
    }

    /// <summary>
    /// How many executions may hold the lock at once, over all nodes. While deployments with different limits run side by side,
    /// the smallest limit of the current holders applies.
    /// </summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit
    {
        get => Settings.Limit ?? LockSettings.BuiltIn.Limit!.Value;
        set => Settings.Limit = value;
    }

    /// <summary>
    /// What happens to an execution that finds the lock taken. With every value, a second attempt (retry, redelivery,
    /// recovery, returned deferral) is never skipped for that reason.
    /// </summary>
    /// <value>Default <see cref="LockConflict.Auto"/>.</value>
    public LockConflict OnConflict
    {
        get => Settings.OnConflict ?? LockSettings.BuiltIn.OnConflict!.Value;
        set => Settings.OnConflict = value;
    }

    /// <summary>
    /// How many seconds an execution waits in place for the lock, in queue order, before <see cref="OnConflict"/> applies.
    /// Keep it short, because the execution occupies a worker of the scheduler.
    /// </summary>
    /// <value>Default 0, at most 3600.</value>
    public int Wait
    {
        get => Settings.Wait ?? LockSettings.BuiltIn.Wait!.Value;
        set => Settings.Wait = value;
    }

    /// <summary>
    /// The longest delay in seconds before a deferred execution tries again; the scheduler's polling interval may add to it.
    /// A release wakes the execution at once. Each further deferral doubles the delay, up to 5 minutes (or to this value, if it
    /// is longer), until a release wakes the execution.
    /// </summary>
    /// <value>Default 15, at least 1.</value>
    public int DeferBy
    {
        get => Settings.DeferBy ?? LockSettings.BuiltIn.DeferBy!.Value;
        set => Settings.DeferBy = value;
    }

    /// <summary>
    /// The time in seconds after its first deferral at which an execution stops waiting and fails, visibly. A retry by the scheduler
    /// starts with the full time again. Standing by while another node runs the same occurrence does not make an execution fail.
    /// </summary>
    /// <value>Default 0: never.</value>
    public int GiveUpAfter
    {
        get => Settings.GiveUpAfter ?? LockSettings.BuiltIn.GiveUpAfter!.Value;
        set => Settings.GiveUpAfter = value;
    }

    /// <summary>
    /// Whether each scheduled fire time runs at most once over all nodes, even when their clocks differ and the first run ended long
    /// ago. Quartz only: Hangfire's storage already creates one job for each occurrence.
    /// </summary>
    /// <value>Default <see cref="OncePerOccurrence.Auto"/>.</value>
    public OncePerOccurrence OncePerOccurrence
    {
        get => Settings.OncePerOccurrence ?? LockSettings.BuiltIn.OncePerOccurrence!.Value;
        set => Settings.OncePerOccurrence = value;
    }

    /// <summary>What happens to an execution when Redis is unavailable.</summary>
    /// <value>Default <see cref="LockUnavailable.Defer"/>.</value>
    public LockUnavailable OnUnavailable
    {
        get => Settings.OnUnavailable ?? LockSettings.BuiltIn.OnUnavailable!.Value;
        set => Settings.OnUnavailable = value;
    }

    internal LockSettings Settings { get; } = new();
}
