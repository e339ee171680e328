using Hangfire.Common;
using JobLocking;
using JobLocking.Hangfire;

namespace Hangfire;

/// <summary>Puts <see cref="TaskLockAttribute"/> in front of Hangfire jobs.</summary>
public static class TaskLockConfigurationExtensions
{
    /// <summary>
    /// Has every server of this process take the locks of its jobs:
    /// <c>services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp))</c>.
    /// Several hosts in one process keep their own locks, if each has a storage of its own. Servers that are made by hand belong to
    /// the host that called it last; they use the overload for <see cref="BackgroundJobServerOptions"/>.
    /// </summary>
    /// <remarks>
    /// A deferred job waits among the scheduled ones, and is enqueued at once when its turn comes. If its process has died
    /// meanwhile it returns after its delay, when a server next looks there: up to one
    /// <see cref="BackgroundJobServerOptions.SchedulePollingInterval"/> (15 seconds by default) later.
    /// <para>
    /// A process whose servers work on several storages, one for each tenant, tells the jobs of these apart by
    /// <see cref="BackgroundJobServerOptions.ServerName"/>: give the servers of each storage a name that is the same in all processes.
    /// </para>
    /// </remarks>
    /// <param name="configuration">Hangfire's configuration.</param>
    /// <param name="services">The services of the host, with <c>AddJobLocking()</c> and a store among them.</param>
    /// <returns>The same configuration.</returns>
    /// <exception cref="TaskLockException">JobLocking or its store is not registered, the configuration is wrong, or the lock of a job does not fit its method.</exception>
    public static IGlobalConfiguration UseTaskLocks(this IGlobalConfiguration configuration, IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        TaskLockFilter filter = TaskLockFilter.Create(services, out HangfireAdapter adapter);
        adapter.UseForProcess(filter);
        ProcessFilter.Instance.Add(filter);
        return configuration;
    }

    /// <summary>
    /// Has this one server take the locks of its jobs, whatever other hosts of the process do:
    /// <c>services.AddHangfireServer((sp, options) => options.UseTaskLocks(sp))</c>. It wins over the process-wide registration.
    /// </summary>
    /// <remarks>
    /// A deferred job waits among the scheduled ones, and is enqueued at once when its turn comes. If its process has died
    /// meanwhile it returns after its delay, when a server next looks there: up to one
    /// <see cref="BackgroundJobServerOptions.SchedulePollingInterval"/> (15 seconds by default) later.
    /// <para>
    /// A process whose servers work on several storages, one for each tenant, tells the jobs of these apart by
    /// <see cref="BackgroundJobServerOptions.ServerName"/>: give the servers of each storage a name that is the same in all processes.
    /// </para>
    /// </remarks>
    /// <param name="options">The options of the server; its other filters stay.</param>
    /// <param name="services">The services of the host, with <c>AddJobLocking()</c> and a store among them.</param>
    /// <returns>The same options.</returns>
    /// <exception cref="TaskLockException">JobLocking or its store is not registered, the configuration is wrong, or the lock of a job does not fit its method.</exception>
    public static BackgroundJobServerOptions UseTaskLocks(this BackgroundJobServerOptions options, IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(options);
        TaskLockFilter filter = TaskLockFilter.Create(services);

        // Of filters of one type the collection keeps the last, so that this server's own is the one that stays.
        options.FilterProvider = new JobFilterProviderCollection(
            new OtherFilters(options.FilterProvider
                ?? (IJobFilterProvider?)services.GetService(typeof(IJobFilterProvider))
                ?? JobFilterProviders.Providers),
            new JobFilterCollection { filter, JobSpanFilter.Instance });
        return options;
    }
}
