using JobLocking.Policy;

namespace JobLocking;

/// <summary>
/// At most one execution at a time, over all nodes that share the store, of the job that carries it and of every other
/// job with the same lock name. On the class or interface of a Hangfire or Quartz job, or on a Hangfire job's method;
/// the method's wins over the class's. A job that is enqueued through an interface or a base class has its lock, else the
/// one that its implementations agree on. It needs the adapter of the scheduler to be registered.
/// </summary>
/// <remarks>
/// All times are whole seconds. What is not set here comes from <see cref="JobLockingOptions"/>; configuration under
/// <c>JobLocking:Locks</c> overrides both. Values are checked when the host starts.
/// </remarks>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Interface | AttributeTargets.Method, Inherited = true, AllowMultiple = false)]
public sealed class TaskLockAttribute : Attribute
{
    /// <summary>Declares the lock.</summary>
    /// <param name="name">
    /// The template of the name: <c>nightly-report</c>, <c>invoice:{customerId}</c>, <c>{0}</c>, <c>{order.Id}</c> from the
    /// arguments of a Hangfire job; <c>{key}</c> from the merged JobDataMap of a Quartz job. <c>{{</c> is a literal brace.
    /// Equal values give one name: an instant is written in UTC, whatever its kind or offset; collections and records are refused.
    /// At most 512 bytes of UTF-8 once resolved.
    /// </param>
    public TaskLockAttribute(string name) => Name = name;

    /// <summary>The template of the lock's name.</summary>
    public string Name { get; }

    /// <summary>The lease, in seconds; renewed at a third of it while the job runs. How soon the lock is free after the process that holds it was killed.</summary>
    /// <value>Default 60, from 1 to 604800 (7 days).</value>
    public int Expire
    {
        get => Settings.Expire ?? LockSettings.BuiltIn.Expire!.Value;
        set => Settings.Expire = value;
    }

    /// <summary>The longest time a run may hold the lock, in seconds: a stuck job cannot block the others for longer. Then the lease is lost and the job is told.</summary>
    /// <value>Default 0: none. Otherwise at least <see cref="Expire"/>; equal to it, the lease is never renewed.</value>
    public int MaxHold
    {
        get => Settings.MaxHold ?? LockSettings.BuiltIn.MaxHold!.Value;
        set => Settings.MaxHold = value;
    }

    /// <summary>How long the lock stays taken after it was acquired even if the run succeeded sooner, in seconds. For jobs so short that a node whose clock is behind would start after the first has ended.</summary>
    /// <value>Default 0, at most <see cref="Expire"/>.</value>
    public int MinHold
    {
        get => Settings.MinHold ?? LockSettings.BuiltIn.MinHold!.Value;
        set => Settings.MinHold = value;
    }

    /// <summary>How many executions may hold the lock at once, over all nodes. While deployments with different limits run side by side, nobody is let in above the smallest limit among the holders.</summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit
    {
        get => Settings.Limit ?? LockSettings.BuiltIn.Limit!.Value;
        set => Settings.Limit = value;
    }

    /// <summary>What becomes of an execution that finds the lock taken. Whatever is set, a second attempt (retry, redelivery, recovery, returned deferral) is never skipped for it.</summary>
    /// <value>Default <see cref="LockConflict.Auto"/>.</value>
    public LockConflict OnConflict
    {
        get => Settings.OnConflict ?? LockSettings.BuiltIn.OnConflict!.Value;
        set => Settings.OnConflict = value;
    }

    /// <summary>How many seconds to wait in place for the lock, in the order of the queue, before <see cref="OnConflict"/> applies. Keep it short: it takes a worker slot of the scheduler.</summary>
    /// <value>Default 0, at most 3600.</value>
    public int Wait
    {
        get => Settings.Wait ?? LockSettings.BuiltIn.Wait!.Value;
        set => Settings.Wait = value;
    }

    /// <summary>After how many seconds a deferred execution tries again at the latest, when its scheduler next looks; a release wakes it at once. Each further deferral doubles it, up to 5 minutes (or to this value, if it is longer), until a release wakes the execution.</summary>
    /// <value>Default 15, at least 1.</value>
    public int DeferBy
    {
        get => Settings.DeferBy ?? LockSettings.BuiltIn.DeferBy!.Value;
        set => Settings.DeferBy = value;
    }

    /// <summary>How many seconds after its first deferral an execution stops waiting and fails, visibly. A retry by the scheduler waits anew. Standing by for a node that runs the same occurrence is not counted.</summary>
    /// <value>Default 0: never.</value>
    public int GiveUpAfter
    {
        get => Settings.GiveUpAfter ?? LockSettings.BuiltIn.GiveUpAfter!.Value;
        set => Settings.GiveUpAfter = value;
    }

    /// <summary>One run for each scheduled fire time over all nodes, even when their clocks differ and the first run has long ended. A node that dies in the middle, or loses its lease there, is replaced by another; a run that failed is run again by a retry only. Quartz only: Hangfire's storage already creates one job for each occurrence.</summary>
    /// <value>Default false.</value>
    public bool OncePerOccurrence
    {
        get => Settings.OncePerOccurrence ?? LockSettings.BuiltIn.OncePerOccurrence!.Value;
        set => Settings.OncePerOccurrence = value;
    }

    /// <summary>What becomes of an execution when Redis cannot be asked.</summary>
    /// <value>Default <see cref="LockUnavailable.Defer"/>.</value>
    public LockUnavailable OnUnavailable
    {
        get => Settings.OnUnavailable ?? LockSettings.BuiltIn.OnUnavailable!.Value;
        set => Settings.OnUnavailable = value;
    }

    internal LockSettings Settings { get; } = new();
}
