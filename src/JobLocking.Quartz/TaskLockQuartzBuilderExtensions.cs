using JobLocking;
using JobLocking.Engine;
using JobLocking.Quartz;
using JobLocking.Quartz.Deferrals;
using JobLocking.Quartz.Firings;
using JobLocking.Quartz.Hosting;
using JobLocking.Quartz.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Quartz;

/// <summary>Puts <see cref="TaskLockAttribute"/> in front of Quartz jobs.</summary>
public static class TaskLockQuartzBuilderExtensions
{
    /// <summary>
    /// Asks for the lock of every job of this scheduler that has one, before it runs. Needs <c>AddJobLocking()</c> on the
    /// host's services. May be called again to configure more. Middleware added before it surrounds the lock too,
    /// middleware added after it runs under the lock only.
    /// </summary>
    /// <param name="builder">The builder of the scheduler; a named one is locked by itself.</param>
    /// <param name="configure">Gives jobs their locks by key.</param>
    /// <returns>The same builder.</returns>
    public static IQuartzBuilder AddTaskLocks(this IQuartzBuilder builder, Action<QuartzTaskLockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);

        string scheduler = builder.SchedulerName;
        if (configure is not null)
        {
            builder.Services.Configure(scheduler, configure);
        }

        if (builder.Services.Any(s => s.ServiceType == typeof(LockedScheduler) && s.ImplementationInstance is LockedScheduler locked && locked.Name == scheduler))
        {
            return builder;
        }

        builder.Services.AddSingleton(new LockedScheduler(scheduler));
        builder.Services.TryAddSingleton<SchedulerChecks>();
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, StartService>());

        // The factories are given the scheduler's view of the container. A scheduler that is added or restarted at run time
        // has a container of its own, and only that view leads on to the services of the host.
        return builder
            .AddJobMiddleware(sp => Middleware(sp, scheduler))
            .AddPlugin(sp => new CheckPlugin(sp.GetRequiredService<SchedulerChecks>(), Policies(sp, scheduler), Logger(sp)), name: "jobLocking");
    }

    internal static KeyedPolicies Policies(IServiceProvider services, string scheduler) =>
        new(Required<LockPolicies>(services), services.GetRequiredService<IOptionsMonitor<QuartzTaskLockOptions>>().Get(scheduler));

    private static TaskLockMiddleware Middleware(IServiceProvider services, string scheduler)
    {
        TimeProvider time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        LockEngine engine = Required<LockEngine>(services);
        ILogger logger = Logger(services);
        return new TaskLockMiddleware(
            engine, new FiringDescription(Policies(services, scheduler)), new DeferralTriggers(engine, time, logger), logger);
    }

    private static T Required<T>(IServiceProvider services)
        where T : class =>
        services.GetService<T>() ?? throw new TaskLockException(
            "AddTaskLocks() was called on a Quartz scheduler, but AddJobLocking() was not called on the services. Fix: builder.Services.AddJobLocking().UseRedis(\"localhost:6379\").");

    private static ILogger Logger(IServiceProvider services) =>
        services.GetService<ILoggerFactory>()?.CreateLogger(Log.Category) ?? NullLogger.Instance;
}
