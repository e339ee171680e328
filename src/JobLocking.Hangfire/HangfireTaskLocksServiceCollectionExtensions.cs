using Hangfire.Client;
using Hangfire.Server;
using Hangfire.States;
using JobLocking;
using JobLocking.Engine;
using JobLocking.Hangfire;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Completes <c>UseTaskLocks</c> for the Hangfire servers of a host.</summary>
public static class HangfireTaskLocksServiceCollectionExtensions
{
    private const string Users = "JobLocking.Hangfire";

    /// <summary>
    /// Completes <c>UseTaskLocks</c> for the servers that <c>AddHangfireServer</c> registers: a lease that is lost cancels the
    /// <see cref="CancellationToken"/> and the <c>IJobCancellationToken</c> of its job, which then fails and is retried.
    /// The order of the calls does not matter.
    /// </summary>
    /// <remarks>
    /// It registers <see cref="IBackgroundJobFactory"/>, <see cref="IBackgroundJobPerformer"/> and
    /// <see cref="IBackgroundJobStateChanger"/>. The activator, the task scheduler and the filter provider in the options of a server stay
    /// in force; servers of one storage that differ in these need different names. Your own implementations of these services, registered
    /// before this call, still do their work. A server that your code creates, <c>new BackgroundJobServer()</c>, does not use them.
    /// </remarks>
    /// <param name="services">The services of the host, with <c>AddJobLocking()</c> and <c>AddHangfireServer()</c> among them.</param>
    /// <param name="configure">Sets the options; null for the defaults.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddHangfireTaskLocks(
        this IServiceCollection services, Action<HangfireTaskLockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddOptions<HangfireTaskLockOptions>();
        if (configure is not null)
        {
            services.Configure(configure);
        }

        if (services.Any(s => s.ServiceType == typeof(HostedServers)))
        {
            return services;
        }

        services.AddSingleton(sp => new HostedServers(sp, sp.GetService<LockAdapters>() ?? throw new TaskLockException(
            "AddHangfireTaskLocks: JobLocking is not among the services. "
            + "Fix: call services.AddJobLocking().UseRedis(…) or .UseInMemory().")));
        Decorate<IBackgroundJobFactory>(services, (servers, inner) => inner ?? new ServerJobFactory(servers));
        Decorate<IBackgroundJobPerformer>(
            services, (servers, inner) => new LockedJobPerformer(inner ?? servers, LockedJobToken.CanBeGiven));
        Decorate<IBackgroundJobStateChanger>(services, (servers, inner) => new DeliveryStateChanger(inner ?? servers));
        return services;
    }

    /// <param name="services">The services.</param>
    /// <param name="decorate">Gets the service of the user; null if there is none.</param>
    private static void Decorate<T>(IServiceCollection services, Func<HostedServers, T?, T> decorate)
        where T : class
    {
        ServiceDescriptor? users = services.LastOrDefault(s => s.ServiceType == typeof(T) && !s.IsKeyedService);
        if (users is not null)
        {
            services.Remove(users);
            services.Add(users switch
            {
                { ImplementationInstance: { } instance } => new ServiceDescriptor(typeof(T), Users, instance),
                { ImplementationFactory: { } make } => new ServiceDescriptor(typeof(T), Users, (sp, _) => make(sp), users.Lifetime),
                _ => new ServiceDescriptor(typeof(T), Users, users.ImplementationType!, users.Lifetime),
            });
        }

        services.AddTransient(sp => decorate(
            sp.GetRequiredService<HostedServers>(), users is null ? null : sp.GetRequiredKeyedService<T>(Users)));
    }
}
