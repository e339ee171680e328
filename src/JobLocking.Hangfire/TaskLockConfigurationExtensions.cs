using Hangfire.Common;
using JobLocking;
using JobLocking.Hangfire;

namespace Hangfire;

/// <summary>Applies <see cref="TaskLockAttribute"/> to Hangfire jobs.</summary>
public static class TaskLockConfigurationExtensions
{
    /// <summary>
    /// Every server of this process runs its jobs under their locks:
    /// <c>services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp))</c>.
    /// Several hosts in one process keep their own locks, if each has a storage of its own. A server that your code creates belongs to the
    /// host that called this last, unless it uses the overload for <see cref="BackgroundJobServerOptions"/>.
    /// </summary>
    /// <remarks>
    /// A deferred job is a scheduled job, and a wake-up enqueues it at once. If its process has died meanwhile, it comes back after its
    /// delay, when a server next polls the schedule: up to one <see cref="BackgroundJobServerOptions.SchedulePollingInterval"/>
    /// (15 seconds by default) later.
    /// <para>
    /// Call <c>services.AddHangfireTaskLocks()</c> beside <c>AddHangfireServer</c>, too: without it, a lease that is lost does not cancel
    /// the token of its job.
    /// </para>
    /// <para>
    /// A process whose servers work on several storages, one for each tenant, distinguishes their jobs by
    /// <see cref="BackgroundJobServerOptions.ServerName"/>: give the servers of each storage a name that is the same in all processes.
    /// </para>
    /// </remarks>
    /// <param name="configuration">Hangfire's configuration.</param>
    /// <param name="services">The services of the host, with <c>AddJobLocking()</c> and a store among them.</param>
    /// <returns>The same configuration.</returns>
    /// <exception cref="TaskLockException">
    /// JobLocking or its store is not registered, the configuration is wrong, or the lock of a job does not fit its method.
    /// </exception>
    public static IGlobalConfiguration UseTaskLocks(this IGlobalConfiguration configuration, IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        TaskLockFilter filter = TaskLockFilter.Create(services, out HangfireAdapter adapter);
        adapter.UseForProcess(filter);
        ProcessFilter.Instance.Add(filter);
        return configuration;
    }

    /// <summary>
    /// This server runs its jobs under their locks, whatever other hosts of the process do:
    /// <c>services.AddHangfireServer((sp, options) => options.UseTaskLocks(sp))</c>. It replaces the process-wide registration
    /// for this server.
    /// </summary>
    /// <remarks>
    /// A deferred job is a scheduled job, and a wake-up enqueues it at once. If its process has died meanwhile, it comes back after its
    /// delay, when a server next polls the schedule: up to one <see cref="BackgroundJobServerOptions.SchedulePollingInterval"/>
    /// (15 seconds by default) later.
    /// <para>
    /// Call <c>services.AddHangfireTaskLocks()</c> beside <c>AddHangfireServer</c>, too: without it, a lease that is lost does not cancel
    /// the token of its job.
    /// </para>
    /// <para>
    /// A process whose servers work on several storages, one for each tenant, distinguishes their jobs by
    /// <see cref="BackgroundJobServerOptions.ServerName"/>: give the servers of each storage a name that is the same in all processes.
    /// </para>
    /// </remarks>
    /// <param name="options">The options of the server; its other filters stay.</param>
    /// <param name="services">The services of the host, with <c>AddJobLocking()</c> and a store among them.</param>
    /// <returns>The same options.</returns>
    /// <exception cref="TaskLockException">
    /// JobLocking or its store is not registered, the configuration is wrong, or the lock of a job does not fit its method.
    /// </exception>
    public static BackgroundJobServerOptions UseTaskLocks(this BackgroundJobServerOptions options, IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(options);
        TaskLockFilter filter = TaskLockFilter.Create(services);

        // The collection keeps the last filter of a type, so the one of this server stays.
        options.FilterProvider = new JobFilterProviderCollection(
            new ServerFilterProvider(options.FilterProvider
                ?? (IJobFilterProvider?)services.GetService(typeof(IJobFilterProvider))
                ?? JobFilterProviders.Providers),
            new JobFilterCollection { filter, JobSpanFilter.Instance });
        return options;
    }
}
