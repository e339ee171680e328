using JobLocking;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Quartz;
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
    /// <remarks>
    /// What is worth knowing of Quartz:
    /// <list type="bullet">
    /// <item><description>Jobs are the same on every node by their key; a trigger with job data of its own makes a job of its own, named by the trigger's key too. Give both keys with <c>WithIdentity</c>: generated ones differ on each node.</description></item>
    /// <item><description>
    /// Schedulers of one name are one scheduler with many nodes, and those of two names are two, each with work of its own: one for each
    /// tenant, for example. The name of the machine and of the node in it do not count.
    /// </description></item>
    /// <item><description>A firing that is skipped or deferred has succeeded for Quartz: a continuation on success fires then, not after the deferred run.</description></item>
    /// <item><description>A deferred run is fired by a trigger in group <c>joblocking</c>, whose time is its <c>ScheduledFireTimeUtc</c>. <see cref="TaskLockExecutionContextExtensions.GetOriginalFireTimeUtc"/> tells the time the schedule meant.</description></item>
    /// <item><description>Nor is its <c>RetryAttempt</c>, <c>Recovering</c>, previous and next fire time that of the firing it stands for: <see cref="TaskLockExecutionContextExtensions"/> tells those.</description></item>
    /// <item><description>Under <see cref="OverlapPolicy.CancelPrevious"/> a firing waits up to 5 seconds for the one that is cancelled for it on its node, and takes the lock over. What another node of a cluster runs is not waited for, nor is a <see cref="TaskLockAttribute.MinHold"/>: leave that out there.</description></item>
    /// <item><description>Runs by hand (<c>TriggerJob</c>) of a job that runs become one pending run; those with data of their own each have their own. Firings of a trigger with IgnoreMisfires are each deferred.</description></item>
    /// <item><description>A deferral that is pending stays when its trigger is unscheduled; delete the job, or the deferral.</description></item>
    /// <item><description>A middleware under the lock that does not call the next counts as the run of the job, and of its occurrence.</description></item>
    /// <item><description><c>[PersistJobDataAfterExecution]</c> wants <c>[DisallowConcurrentExecution]</c> beside it: a firing that is skipped writes back the data it was fired with.</description></item>
    /// <item><description>Under <see cref="TaskLockAttribute.OncePerOccurrence"/> a trigger needs a cron schedule or a fixed start: an interval that begins with the process has other times on each node.</description></item>
    /// </list>
    /// </remarks>
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
        builder.Services.TryAddSingleton(sp => new HostStop(sp.GetService<IHostApplicationLifetime>(), Time(sp)));
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, StartService>());

        // The factories are given the scheduler's view of the container. A scheduler that is added or restarted at run time
        // has a container of its own, and only that view leads on to the services of the host.
        SharedTypes shared = new();
        return builder
            .AddJobMiddleware(sp => Middleware(sp, scheduler, shared))
            .AddTriggerListener(sp => new ReplacedRetries(Logger(sp)), GroupMatcher<TriggerKey>.GroupEquals(Deferral.Group))
            .AddPlugin(sp => Check(sp, scheduler, shared), name: "jobLocking");
    }

    internal static KeyedPolicies Policies(IServiceProvider services, string scheduler) =>
        new(Required<LockPolicies>(services), services.GetRequiredService<IOptionsMonitor<QuartzTaskLockOptions>>().Get(scheduler));

    internal static ILogger Logger(IServiceProvider services) =>
        services.GetService<ILoggerFactory>()?.CreateLogger(Log.Category) ?? NullLogger.Instance;

    private static CheckPlugin Check(IServiceProvider services, string scheduler, SharedTypes shared) => new(
        services.GetRequiredService<SchedulerChecks>(),
        Policies(services, scheduler),
        shared,
        Required<LockAdapters>(services),
        new DelegateHandlers(services),
        Logger(services));

    private static TaskLockMiddleware Middleware(IServiceProvider services, string scheduler, SharedTypes shared)
    {
        LockEngine engine = Required<LockEngine>(services);
        ILogger logger = Logger(services);
        Lifetime lifetime = new(services.GetRequiredService<HostStop>());
        Wakes wakes = new(lifetime);
        return new TaskLockMiddleware(
            engine,
            new FiringDescription(Policies(services, scheduler), shared, lifetime, engine),
            new DeferralTriggers(wakes, lifetime, Time(services), logger),
            wakes,
            new Successions(lifetime, Time(services)),
            lifetime,
            services.GetRequiredService<HostStop>(),
            logger);
    }

    private static T Required<T>(IServiceProvider services)
        where T : class =>
        services.GetService<T>() ?? throw new TaskLockException(
            "AddTaskLocks() was called on a Quartz scheduler, but AddJobLocking() was not called on the services. Fix: builder.Services.AddJobLocking().UseRedis(\"localhost:6379\").");

    private static TimeProvider Time(IServiceProvider services) => services.GetService<TimeProvider>() ?? TimeProvider.System;
}
