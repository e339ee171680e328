using System.Reflection;
using JobLocking.Policy;
using Microsoft.Extensions.Hosting;

namespace JobLocking;

/// <summary>
/// The identity of this process, and the defaults for the locks of its jobs. (Locks taken by hand use <see cref="TaskLockOptions"/>.)
/// The configuration section <c>JobLocking</c> is applied first, then code. All times are whole seconds.
/// </summary>
public sealed class JobLockingOptions
{
    internal const string Section = "JobLocking";

    /// <summary>The name of this node as operators see it in logs and in the list of held locks.</summary>
    /// <value>Default: the machine's name.</value>
    public string NodeName { get; set; } = Environment.MachineName;

    /// <summary>
    /// The name of the application. If two applications share a Redis and a lock name, each logs a warning about the other.
    /// If the host's environment is not Production, it is added to the name, also to a name that you set here. The holder is then
    /// shown as <c>billing (Staging)</c>, and an execution in staging never counts as one in production.
    /// </summary>
    /// <value>Default: the host's application name.</value>
    public string ApplicationName { get; set; } = Assembly.GetEntryAssembly()?.GetName().Name ?? "unknown";

    /// <summary>
    /// The longest time for which the mark of an occurrence that has run is kept, in seconds. A mark is kept for about a hundred fire
    /// times of its trigger, and always until ten minutes after the next fire time and for twice <see cref="TaskLockAttribute.DeferBy"/>,
    /// even if that is longer. An execution that has not asked about its occurrence for longer than that fails visibly, because it might
    /// run twice; one that stood by is skipped, with a warning.
    /// </summary>
    /// <value>Default 86400 (24 hours), at least 60.</value>
    public int OccurrenceRetention { get; set; } = 86_400;

    /// <summary>
    /// The expiry of the lease, in seconds. It is renewed at a third of this time while the job runs.
    /// If the holder's process is killed, the lock is free after this time at the latest.
    /// </summary>
    /// <value>Default 60, from 1 to 604800 (7 days).</value>
    public int Expire
    {
        get => Defaults.Expire ?? LockSettings.BuiltIn.Expire!.Value;
        set => Defaults.Expire = value;
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
        get => Defaults.MaxHold ?? LockSettings.BuiltIn.MaxHold!.Value;
        set => Defaults.MaxHold = value;
    }

    /// <summary>
    /// The shortest time the lock stays taken after it was acquired, in seconds, even if the run succeeded sooner.
    /// Use it for short jobs: a node whose clock is behind could start the job after the first run has ended.
    /// </summary>
    /// <value>Default 0, at most <see cref="Expire"/>.</value>
    public int MinHold
    {
        get => Defaults.MinHold ?? LockSettings.BuiltIn.MinHold!.Value;
        set => Defaults.MinHold = value;
    }

    /// <summary>
    /// How many executions may hold the lock at once, over all nodes. While deployments with different limits run side by side,
    /// the smallest limit of the current holders applies.
    /// </summary>
    /// <value>Default 1, from 1 to 1000.</value>
    public int Limit
    {
        get => Defaults.Limit ?? LockSettings.BuiltIn.Limit!.Value;
        set => Defaults.Limit = value;
    }

    /// <summary>
    /// What happens to an execution that finds the lock taken. With every value, a second attempt (retry, redelivery,
    /// recovery, returned deferral) is never skipped for that reason.
    /// </summary>
    /// <value>Default <see cref="LockConflict.Auto"/>.</value>
    public LockConflict OnConflict
    {
        get => Defaults.OnConflict ?? LockSettings.BuiltIn.OnConflict!.Value;
        set => Defaults.OnConflict = value;
    }

    /// <summary>
    /// How many seconds an execution waits in place for the lock, in queue order, before <see cref="OnConflict"/> applies.
    /// Keep it short, because the execution occupies a worker of the scheduler.
    /// </summary>
    /// <value>Default 0, at most 3600.</value>
    public int Wait
    {
        get => Defaults.Wait ?? LockSettings.BuiltIn.Wait!.Value;
        set => Defaults.Wait = value;
    }

    /// <summary>
    /// The longest delay in seconds before a deferred execution tries again; the scheduler's polling interval may add to it.
    /// A release wakes the execution at once. Each further deferral doubles the delay, up to 5 minutes (or to this value, if it
    /// is longer), until a release wakes the execution.
    /// </summary>
    /// <value>Default 15, at least 1.</value>
    public int DeferBy
    {
        get => Defaults.DeferBy ?? LockSettings.BuiltIn.DeferBy!.Value;
        set => Defaults.DeferBy = value;
    }

    /// <summary>
    /// The time in seconds after its first deferral at which an execution stops waiting and fails, visibly. A retry by the scheduler
    /// starts with the full time again. Standing by while another node runs the same occurrence does not make an execution fail.
    /// </summary>
    /// <value>Default 0: never.</value>
    public int GiveUpAfter
    {
        get => Defaults.GiveUpAfter ?? LockSettings.BuiltIn.GiveUpAfter!.Value;
        set => Defaults.GiveUpAfter = value;
    }

    /// <summary>
    /// Whether each scheduled fire time runs at most once over all nodes, even when their clocks differ and the first run ended long
    /// ago. Quartz only: Hangfire's storage already creates one job for each occurrence.
    /// <see cref="OncePerOccurrence.Never"/> in configuration applies to all locks that do not say
    /// <see cref="OncePerOccurrence.Always"/> in code.
    /// </summary>
    /// <value>Default <see cref="OncePerOccurrence.Auto"/>.</value>
    public OncePerOccurrence OncePerOccurrence
    {
        get => Defaults.OncePerOccurrence ?? LockSettings.BuiltIn.OncePerOccurrence!.Value;
        set => Defaults.OncePerOccurrence = value;
    }

    /// <summary>What happens to an execution when Redis is unavailable.</summary>
    /// <value>Default <see cref="LockUnavailable.Defer"/>.</value>
    public LockUnavailable OnUnavailable
    {
        get => Defaults.OnUnavailable ?? LockSettings.BuiltIn.OnUnavailable!.Value;
        set => Defaults.OnUnavailable = value;
    }

    /// <summary>The host's environment; null without a host.</summary>
    internal string? HostEnvironment { get; set; }

    /// <summary>The name of the application in holders and marks.</summary>
    internal string ApplicationAndEnvironment =>
        string.IsNullOrWhiteSpace(HostEnvironment)
            || string.Equals(HostEnvironment, Environments.Production, StringComparison.OrdinalIgnoreCase)
            ? ApplicationName
            : $"{ApplicationName} ({HostEnvironment})";

    internal LockSettings Defaults { get; } = new();

    internal List<LockOverride> Overrides { get; } = [];

    internal List<ForJobDeclaration> Jobs { get; } = [];

    /// <summary>Problems found while the configuration was read. The host does not start if there are any.</summary>
    internal List<string> Problems { get; } = [];

    /// <summary>
    /// Declares the lock of a job that you cannot decorate. It replaces an attribute on the same type; an attribute on a method
    /// wins.
    /// </summary>
    /// <typeparam name="TJob">
    /// The Quartz job class, or the class or interface whose methods are Hangfire jobs. Types that derive from it have the lock too,
    /// and so has a job that is enqueued through an interface or base class of this class.
    /// </typeparam>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob<TJob>(TaskLockAttribute taskLock) => Give(typeof(TJob), null, taskLock);

    /// <summary>Declares the lock of a Hangfire job method that you cannot decorate. It replaces an attribute on the same method.</summary>
    /// <typeparam name="TJob">The class or interface through which the job is enqueued.</typeparam>
    /// <param name="method">The name of the method. The lock applies to all its overloads.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports:{0}") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob<TJob>(string method, TaskLockAttribute taskLock)
    {
        ArgumentException.ThrowIfNullOrEmpty(method);
        return Give(typeof(TJob), method, taskLock);
    }

    /// <summary>
    /// Declares the lock of a job that you cannot decorate, as <see cref="ForJob{TJob}(TaskLockAttribute)"/> does.
    /// <c>typeof(Handler&lt;&gt;)</c> declares it for all jobs of a generic class or interface.
    /// </summary>
    /// <param name="job">The class or interface.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public JobLockingOptions ForJob(Type job, TaskLockAttribute taskLock) => Give(job, null, taskLock);

    /// <summary>
    /// Declares the lock of one method of a class, as <see cref="ForJob{TJob}(string, TaskLockAttribute)"/> does.
    /// <c>typeof(Handler&lt;&gt;)</c> declares it for all jobs of a generic class or interface.
    /// </summary>
    /// <param name="job">The class or interface.</param>
    /// <param name="method">The name of the method. The lock applies to all its overloads.</param>
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
        Jobs.Add(new ForJobDeclaration(type, method, taskLock));
        return this;
    }
}
