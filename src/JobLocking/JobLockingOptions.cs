using System.Reflection;
using JobLocking.Policy;
using Microsoft.Extensions.Hosting;

namespace JobLocking;

/// <summary>
/// Who this process is, and the defaults of the locks of its jobs; locks taken by hand have <see cref="TaskLockOptions"/>. Bound from the configuration section <c>JobLocking</c> first,
/// then from code. All times are whole seconds.
/// </summary>
public sealed class JobLockingOptions
{
    internal const string Section = "JobLocking";

    /// <summary>The name of this node, as operators shall read it in logs and beside held locks.</summary>
    /// <value>Default: the machine's name.</value>
    public string NodeName { get; set; } = Environment.MachineName;

    /// <summary>
    /// The name of the application. Two applications that share a Redis and a lock name are warned about each other. The host's
    /// environment is added where it is not Production, also to a name that is set here: beside a lock stands
    /// <c>billing (Staging)</c>, and staging takes no run away from production.
    /// </summary>
    /// <value>Default: the host's application name.</value>
    public string ApplicationName { get; set; } = Assembly.GetEntryAssembly()?.GetName().Name ?? "unknown";

    /// <summary>How long it is remembered, in seconds, that an occurrence has been run. An occurrence older than that fails visibly rather than run twice.</summary>
    /// <value>Default 86400 (24 hours), at least 60.</value>
    public int OccurrenceRetention { get; set; } = 86_400;

    /// <summary>The lease, in seconds; renewed at a third of it while the job runs. How soon the lock is free after the process that holds it was killed.</summary>
    /// <value>Default 60, from 1 to 604800 (7 days).</value>
    public int Expire
    {
        get => Defaults.Expire ?? LockSettings.BuiltIn.Expire!.Value;
        set => Defaults.Expire = value;
    }

    /// <summary>The longest time a run may hold the lock, in seconds: a stuck job cannot block the others for longer. Then the lease is lost and the job is told.</summary>
    /// <value>Default 0: none. Otherwise at least <see cref="Expire"/>; equal to it, the lease is never renewed.</value>
    public int MaxHold
    {
        get => Defaults.MaxHold ?? LockSettings.BuiltIn.MaxHold!.Value;
        set => Defaults.MaxHold = value;
    }

    /// <summary>How long the lock stays taken after it was acquired even if the run succeeded sooner, in seconds. For jobs so short that a node whose clock is behind would start after the first has ended.</summary>
    /// <value>Default 0, at most <see cref="Expire"/>.</value>
    public int MinHold
    {
        get => Defaults.MinHold ?? LockSettings.BuiltIn.MinHold!.Value;
        set => Defaults.MinHold = value;
    }

    /// <summary>How many executions may hold the lock at once, over all nodes. While deployments with different limits run side by side, nobody is let in above the smallest limit among the holders.</summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit
    {
        get => Defaults.Limit ?? LockSettings.BuiltIn.Limit!.Value;
        set => Defaults.Limit = value;
    }

    /// <summary>What becomes of an execution that finds the lock taken. Whatever is set, a second attempt (retry, redelivery, recovery, returned deferral) is never skipped for it.</summary>
    /// <value>Default <see cref="LockConflict.Auto"/>.</value>
    public LockConflict OnConflict
    {
        get => Defaults.OnConflict ?? LockSettings.BuiltIn.OnConflict!.Value;
        set => Defaults.OnConflict = value;
    }

    /// <summary>How many seconds to wait in place for the lock, in the order of the queue, before <see cref="OnConflict"/> applies. Keep it short: it takes a worker slot of the scheduler.</summary>
    /// <value>Default 0, at most 3600.</value>
    public int Wait
    {
        get => Defaults.Wait ?? LockSettings.BuiltIn.Wait!.Value;
        set => Defaults.Wait = value;
    }

    /// <summary>After how many seconds a deferred execution tries again at the latest, when its scheduler next looks; a release wakes it at once. Each further deferral doubles it, up to 5 minutes (or to this value, if it is longer), until a release wakes the execution.</summary>
    /// <value>Default 15, at least 1.</value>
    public int DeferBy
    {
        get => Defaults.DeferBy ?? LockSettings.BuiltIn.DeferBy!.Value;
        set => Defaults.DeferBy = value;
    }

    /// <summary>How many seconds after its first deferral an execution stops waiting and fails, visibly. A retry by the scheduler waits anew. Standing by for a node that runs the same occurrence is not counted.</summary>
    /// <value>Default 0: never.</value>
    public int GiveUpAfter
    {
        get => Defaults.GiveUpAfter ?? LockSettings.BuiltIn.GiveUpAfter!.Value;
        set => Defaults.GiveUpAfter = value;
    }

    /// <summary>One run for each scheduled fire time over all nodes, even when their clocks differ and the first run has long ended. A node that dies in the middle, or loses its lease there, is replaced by another; a run that failed is run again by a retry only. Quartz only: Hangfire's storage already creates one job for each occurrence.</summary>
    /// <value>Default false.</value>
    public bool OncePerOccurrence
    {
        get => Defaults.OncePerOccurrence ?? LockSettings.BuiltIn.OncePerOccurrence!.Value;
        set => Defaults.OncePerOccurrence = value;
    }

    /// <summary>What becomes of an execution when Redis cannot be asked.</summary>
    /// <value>Default <see cref="LockUnavailable.Defer"/>.</value>
    public LockUnavailable OnUnavailable
    {
        get => Defaults.OnUnavailable ?? LockSettings.BuiltIn.OnUnavailable!.Value;
        set => Defaults.OnUnavailable = value;
    }

    /// <summary>The host's environment; null without a host.</summary>
    internal string? HostEnvironment { get; set; }

    /// <summary>The application as holders and marks name it.</summary>
    internal string ApplicationAndEnvironment =>
        string.IsNullOrWhiteSpace(HostEnvironment) || string.Equals(HostEnvironment, Environments.Production, StringComparison.OrdinalIgnoreCase)
            ? ApplicationName
            : $"{ApplicationName} ({HostEnvironment})";

    internal LockSettings Defaults { get; } = new();

    internal List<LockOverride> Overrides { get; } = [];

    internal List<JobLock> Jobs { get; } = [];

    /// <summary>Problems found while the configuration was read; the host does not start with any.</summary>
    internal List<string> Problems { get; } = [];

    /// <summary>Gives a job that cannot be decorated its lock. It replaces an attribute on the same type; one on a method wins.</summary>
    /// <typeparam name="TJob">The Quartz job class, or the class or interface whose methods are Hangfire jobs, and what is derived from it.
    /// A job that is enqueued through an interface or base class of this class has the lock, too.</typeparam>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob<TJob>(TaskLockAttribute taskLock) => Give(typeof(TJob), null, taskLock);

    /// <summary>Gives one method of a class, a Hangfire job that cannot be decorated, its lock. It replaces an attribute on the same method.</summary>
    /// <typeparam name="TJob">The class or interface through which the job is enqueued.</typeparam>
    /// <param name="method">The name of the method; all its overloads are meant.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports:{0}") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob<TJob>(string method, TaskLockAttribute taskLock)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        return Give(typeof(TJob), method, taskLock);
    }

    /// <summary>Gives a job that cannot be decorated its lock, as <see cref="ForJob{TJob}(TaskLockAttribute)"/> does.
    /// All jobs of one generic class or interface have it by <c>typeof(Handler&lt;&gt;)</c>.</summary>
    /// <param name="job">The class or interface.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob(Type job, TaskLockAttribute taskLock) => Give(job, null, taskLock);

    /// <summary>Gives one method of a class its lock, as <see cref="ForJob{TJob}(string, TaskLockAttribute)"/> does.
    /// All jobs of one generic class or interface have it by <c>typeof(Handler&lt;&gt;)</c>.</summary>
    /// <param name="job">The class or interface.</param>
    /// <param name="method">The name of the method; all its overloads are meant.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports:{0}") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob(Type job, string method, TaskLockAttribute taskLock)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        return Give(job, method, taskLock);
    }

    private JobLockingOptions Give(Type type, string? method, TaskLockAttribute taskLock)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(taskLock);
        Jobs.Add(new JobLock(type, method, taskLock));
        return this;
    }
}
