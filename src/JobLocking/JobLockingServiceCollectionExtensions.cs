using System.Diagnostics.Metrics;
using JobLocking;
using JobLocking.Engine;
using JobLocking.Hosting;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;
using JobLocking.Telemetry;
using JobLocking.Waiting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers JobLocking.</summary>
public static class JobLockingServiceCollectionExtensions
{
    /// <summary>
    /// Adds the engine of JobLocking. Add a store to the result: <c>.UseRedis("localhost:6379")</c> or <c>.UseInMemory()</c>.
    /// You can call it again to configure more options.
    /// </summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configure">Configures the options, after the configuration section <c>JobLocking</c> was applied.</param>
    /// <returns>A builder to which you add the store.</returns>
    public static JobLockingBuilder AddJobLocking(this IServiceCollection services, Action<JobLockingOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);

        if (!services.Any(s => s.ServiceType == typeof(LockEngine)))
        {
            AddEngine(services);
        }

        if (configure is not null)
        {
            services.Configure(configure);
        }

        return new JobLockingBuilder(services);
    }

    /// <summary>
    /// Keeps the locks in this process, for development, tests and a single node. Other processes do not see these locks.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseInMemory(this JobLockingBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton<ILockStore>(static sp => new InMemoryLockStore(Time(sp)));
        return builder;
    }

    private static void AddEngine(IServiceCollection services)
    {
        services.AddOptions<JobLockingOptions>().Configure<IServiceProvider>(static (options, sp) =>
        {
            IHostEnvironment? host = sp.GetService<IHostEnvironment>();
            options.HostEnvironment = host?.EnvironmentName;
            if (host?.ApplicationName is { Length: > 0 } application)
            {
                options.ApplicationName = application;
            }

            if (sp.GetService<IConfiguration>() is { } configuration)
            {
                LockConfigurationReader.Read(configuration, options);
            }
        });

        services.AddSingleton(static sp => new MetricsReporter(sp.GetService<IMeterFactory>()));
        services.AddSingleton(static sp => new StoreGate(OnlyStore.Of(sp), Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new HeldLeases(Background(sp), Metrics(sp), Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new RenewalLoop(
            OnlyStore.Of(sp), Gate(sp), Held(sp), Background(sp), Metrics(sp), Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new Leases(
            OnlyStore.Of(sp), Gate(sp), Held(sp), sp.GetRequiredService<RenewalLoop>(), Background(sp), Metrics(sp), Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new BackgroundWork(Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new LocalWaiters(OnlyStore.Of(sp), Gate(sp), Background(sp), Metrics(sp), Time(sp), Logger(sp)));
        services.AddSingleton(static sp => new LockAcquirer(
            sp.GetRequiredService<Leases>(),
            sp.GetRequiredService<LocalWaiters>(),
            sp.GetRequiredService<StoreNotifications>(),
            Metrics(sp),
            Time(sp)));
        services.AddSingleton(static sp => new StoreNotifications(
            OnlyStore.Of(sp),
            Gate(sp),
            Held(sp),
            sp.GetRequiredService<RenewalLoop>(),
            sp.GetRequiredService<LocalWaiters>(),
            Time(sp),
            Logger(sp)));
        services.AddSingleton(sp => new LockPolicies(Options(sp), services));
        services.AddSingleton(_ => new LockAdapters(services));
        services.AddSingleton<TaskLeaseAccessor>();
        services.AddSingleton<ITaskLeaseAccessor>(static sp => sp.GetRequiredService<TaskLeaseAccessor>());
        services.AddSingleton(static sp => new LockEngine(
            sp.GetRequiredService<Leases>(),
            sp.GetRequiredService<LockAcquirer>(),
            sp.GetRequiredService<LocalWaiters>(),
            sp.GetRequiredService<TaskLeaseAccessor>(),
            Metrics(sp),
            Options(sp),
            Time(sp),
            Logger(sp)));
        services.AddSingleton<ITaskLocks>(static sp => new TaskLocks(
            OnlyStore.Of(sp),
            sp.GetRequiredService<Leases>(),
            sp.GetRequiredService<LockAcquirer>(),
            sp.GetRequiredService<LocalWaiters>(),
            Metrics(sp),
            Options(sp),
            Logger(sp)));
        services.AddSingleton<IHostedService>(static sp => new JobLockingHostedService(sp, Logger(sp)));
    }

    private static TimeProvider Time(IServiceProvider services) => services.GetService<TimeProvider>() ?? TimeProvider.System;

    private static StoreGate Gate(IServiceProvider services) => services.GetRequiredService<StoreGate>();

    private static HeldLeases Held(IServiceProvider services) => services.GetRequiredService<HeldLeases>();

    private static BackgroundWork Background(IServiceProvider services) => services.GetRequiredService<BackgroundWork>();

    private static MetricsReporter Metrics(IServiceProvider services) => services.GetRequiredService<MetricsReporter>();

    private static IOptions<JobLockingOptions> Options(IServiceProvider services) =>
        services.GetRequiredService<IOptions<JobLockingOptions>>();

    private static ILogger Logger(IServiceProvider services) =>
        services.GetService<ILoggerFactory>()?.CreateLogger(Log.Category) ?? NullLogger.Instance;
}
