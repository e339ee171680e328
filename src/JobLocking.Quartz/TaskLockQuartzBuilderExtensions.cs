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
    /// Runs the jobs of this scheduler under their locks. Needs <c>AddJobLocking()</c> on the services of the host. You may call it again
    /// to
    /// configure more. Middleware that was added before it runs outside the lock, middleware that is added after it runs under the lock.
    /// </summary>
    /// <remarks>
    /// Quartz specifics:
    /// <list type="bullet">
    /// <item>
    /// <description>
    /// Jobs are the same on every node by their key; a trigger with job data of its own counts as a job of its own, and its key is part of
    /// the name. Give both keys with <c>WithIdentity</c>: generated keys differ on each node.
    /// </description>
    /// </item>
    /// <item><description>
    /// Schedulers with the same name are one scheduler with several nodes. Schedulers with different names have work of their own, for
    /// example one for each tenant. The name of the machine or node in the name of a scheduler is ignored.
    /// </description></item>
    /// <item>
    /// <description>
    /// A firing that is skipped or deferred has succeeded for Quartz: a continuation on success fires then, not after the deferred run,
    /// unless <see cref="QuartzTaskLockOptions.SkipAs"/> or <see cref="QuartzTaskLockOptions.DeferAs"/> say otherwise.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// A deferred run is fired by a trigger in group <c>joblocking</c>, whose time is its <c>ScheduledFireTimeUtc</c>. <see
    /// cref="TaskLockExecutionContextExtensions.GetOriginalFireTimeUtc"/> returns the time of the schedule.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// Its <c>RetryAttempt</c>, <c>Recovering</c>, previous and next fire time are those of that trigger, too: <see
    /// cref="TaskLockExecutionContextExtensions"/> returns those of the original firing.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// Under <see cref="OverlapPolicy.CancelPrevious"/> a firing waits up to 5 seconds for the firing that it cancels on its node, and then
    /// takes the lock. It waits neither for other nodes of a cluster nor for <see cref="TaskLockAttribute.MinHold"/>, so do not set that.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// Runs by hand (<c>TriggerJob</c>) become one pending run while the job runs; a run with data of its own is deferred separately, and
    /// so is each firing of a trigger with IgnoreMisfires.
    /// </description>
    /// </item>
    /// <item><description>A pending deferral stays when its trigger is unscheduled; delete the job, or the deferral.</description></item>
    /// <item>
    /// <description>
    /// If a middleware under the lock does not call the next one, that counts as the run of the job and of its occurrence.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// <c>[PersistJobDataAfterExecution]</c> needs <c>[DisallowConcurrentExecution]</c>: a skipped firing writes back the data it was fired
    /// with.
    /// </description>
    /// </item>
    /// <item>
    /// <description>
    /// Where the nodes share no clustered job store, <see cref="TaskLockAttribute.OncePerOccurrence"/> needs a cron or daily schedule, or a
    /// calendar interval or recurrence rule with a fixed start: an interval that starts with the process has other fire times on each node.
    /// </description>
    /// </item>
    /// </list>
    /// </remarks>
    /// <param name="builder">The builder of the scheduler; each named scheduler needs its own call.</param>
    /// <param name="configure">Gives jobs locks by key, and says how firings that do not run are recorded.</param>
    /// <returns>The same builder.</returns>
    public static IQuartzBuilder AddTaskLocks(this IQuartzBuilder builder, Action<QuartzTaskLockOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);

        string scheduler = builder.SchedulerName;
        if (configure is not null)
        {
            builder.Services.Configure(scheduler, configure);
        }

        if (builder.Services.Any(s => s.ServiceType == typeof(LockedScheduler)
            && s.ImplementationInstance is LockedScheduler locked && locked.Name == scheduler))
        {
            return builder;
        }

        builder.Services.AddSingleton(new LockedScheduler(scheduler));
        builder.Services.AddKeyedSingleton<SchedulerParts>(scheduler);
        builder.Services.TryAddSingleton<StartChecks>();
        builder.Services.TryAddSingleton(sp => new HostShutdown(sp.GetService<IHostApplicationLifetime>(), Time(sp)));
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, QuartzAdapter>());

        // The factories get the scheduler's view of the container. A scheduler that is added or restarted at run time has a container of
        // its own, and only that view finds the services of the host.
        AmbiguousJobTypes shared = new();
        ToldTriggers told = new();
        return builder
            .AddJobMiddleware(sp => Parts(sp, scheduler, shared, told).Middleware)
            .AddTriggerListener(sp => new RetryOfReplacedDeferral(Logger(sp)), GroupMatcher<TriggerKey>.GroupEquals(StoredDeferral.Group))
            .AddPlugin(sp => Check(sp, scheduler, shared, told), name: "jobLocking")
            .AddPlugin(sp => Parts(sp, scheduler, shared, told).Vetoes, name: "jobLockingVeto");
    }

    internal static KeyedPolicies Policies(IServiceProvider services, string scheduler) =>
        new(Required<LockPolicies>(services), OptionsOf(services, scheduler));

    internal static ILogger Logger(IServiceProvider services) =>
        services.GetService<ILoggerFactory>()?.CreateLogger(Log.Category) ?? NullLogger.Instance;

    private static StartCheck Check(IServiceProvider services, string scheduler, AmbiguousJobTypes shared, ToldTriggers told) => new(
        services.GetRequiredService<StartChecks>(),
        Policies(services, scheduler),
        shared,
        told,
        Required<LockAdapters>(services),
        new DelegateHandlers(services),
        Logger(services));

    private static SchedulerParts Parts(
        IServiceProvider services, string scheduler, AmbiguousJobTypes shared, ToldTriggers told) =>
        services.GetRequiredKeyedService<SchedulerParts>(scheduler).Make(() =>
        {
            LockEngine engine = Required<LockEngine>(services);
            QuartzTaskLockOptions options = OptionsOf(services, scheduler);
            ILogger logger = Logger(services);
            HostShutdown stop = services.GetRequiredService<HostShutdown>();
            SchedulerShutdown shutdown = new(stop);
            Continuations? continuations = options.DeferAs == FiringRecord.Veto ? new Continuations(logger) : null;
            WakeUp wakeUp = new(continuations, shutdown);
            FiringDecisions decisions = new(
                engine,
                new JobExecution(Policies(services, scheduler), shared, new Occurrences(shared, told, logger), shutdown, engine),
                new PendingDeferrals(wakeUp, continuations, shutdown, logger),
                wakeUp,
                new OverlappingFirings(shutdown, Time(services)),
                shutdown,
                stop,
                options,
                logger);
            VetoListener vetoes = new(decisions, options, shutdown, stop, Time(services), logger);
            return (new TaskLockMiddleware(decisions, vetoes, shutdown, logger), vetoes);
        });

    private static QuartzTaskLockOptions OptionsOf(IServiceProvider services, string scheduler) =>
        services.GetRequiredService<IOptionsMonitor<QuartzTaskLockOptions>>().Get(scheduler);

    private static T Required<T>(IServiceProvider services)
        where T : class =>
        services.GetService<T>() ?? throw new TaskLockException(
            "AddTaskLocks() was called on a Quartz scheduler, but AddJobLocking() was not called on the services. "
            + "Fix: builder.Services.AddJobLocking().UseRedis(\"localhost:6379\").");

    private static TimeProvider Time(IServiceProvider services) => services.GetService<TimeProvider>() ?? TimeProvider.System;
}
