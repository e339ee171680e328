using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Stands for one process of a cluster: a host with its own engine and scheduler.</summary>
internal sealed class Node : IAsyncDisposable
{
    private readonly IHost _host;
    private readonly string? _schedulerName;
    private bool _started;

    public Node(Cluster cluster, NodeOptions options)
    {
        _schedulerName = options.Scheduler;
        Firings = new Firings(options.Name);

        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings
        {
            ApplicationName = "tests",
            EnvironmentName = options.Environment,
        });
        builder.Logging.AddProvider(Logs).SetMinimumLevel(LogLevel.Debug);
        builder.Services.AddSingleton(cluster.Journal);
        builder.Services.AddJobLocking(o => o.NodeName = options.Name).UseRedis(o =>
        {
            o.Configuration = cluster.Redis;
            o.KeyPrefix = cluster.KeyPrefix;
        });
        ServiceDescriptor redis = builder.Services.Single(s => s.ServiceType == typeof(ILockStore));
        builder.Services.Remove(redis);
        builder.Services.AddSingleton<ILockStore>(sp => new TestStore((ILockStore)redis.ImplementationFactory!(sp)));

        void Configure(IQuartzBuilder quartz)
        {
            quartz.AddTaskLocks(options.TaskLocks).AddJobListener(Firings);
            options.Quartz?.Invoke(quartz);
        }

        _ = _schedulerName is null ? builder.Services.AddQuartz(Configure) : builder.Services.AddQuartz(_schedulerName, Configure);
        builder.Services.AddQuartzHostedService(options.Hosted);
        options.Services?.Invoke(builder.Services);
        _host = builder.Build();
    }

    /// <summary>The triggers that bring deferred firings back, whether they are pending or firing.</summary>
    public static TriggerQuery Deferrals => new() { Group = GroupMatcher<TriggerKey>.GroupEquals("joblocking"), Take = PagedQuery.All };

    public IServiceProvider Services => _host.Services;

    public Logs Logs { get; } = new();

    public TestStore Store => (TestStore)Services.GetRequiredService<ILockStore>();

    /// <summary>How the firings of this node ended.</summary>
    public Firings Firings { get; }

    public IScheduler Scheduler { get; private set; } = null!;

    public ITaskLocks Locks => Services.GetRequiredService<ITaskLocks>();

    public async Task StartAsync()
    {
        await _host.StartAsync();
        _started = true;
        await Store.Subscribed;
        ISchedulerFactory factory = _schedulerName is null
            ? Services.GetRequiredService<ISchedulerFactory>()
            : Services.GetRequiredKeyedService<ISchedulerFactory>(_schedulerName);
        Scheduler = await factory.GetScheduler();
    }

    /// <summary>Takes a lock by hand, as another holder.</summary>
    public async Task<TaskLease> HoldAsync(string name) => await Locks.TryAcquireAsync(name) ?? throw new InvalidOperationException($"{name} is taken.");

    /// <summary>Fires a job now, and again long after the end of the test.</summary>
    public Task FireRecurringAsync(string job = Work.Name, Action<TriggerBuilder<IJob>>? trigger = null) =>
        FireAsync<WorkJob>(job, t =>
        {
            t.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());
            trigger?.Invoke(t);
        });

    /// <summary>Fires a job at a time that is the same on every node, and again when the test is long over.</summary>
    public Task FireScheduledAsync(DateTimeOffset at, string job = Work.Name, Action<TriggerBuilder<IJob>>? trigger = null) =>
        FireAsync<WorkJob>(job, t =>
        {
            t.StartAt(at).WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour));
            trigger?.Invoke(t);
        });

    /// <summary>A whole second that is soon to come: a start at a fraction of a second would differ on each node.</summary>
    public static DateTimeOffset InAMoment()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow.AddMilliseconds(1300);
        return now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
    }

    /// <summary>Fires a job once, now.</summary>
    public Task FireOnceAsync(string job = Work.Name, Action<TriggerBuilder<IJob>>? trigger = null) => FireAsync<WorkJob>(job, trigger);

    /// <summary>Fires a job of a type.</summary>
    public async Task FireAsync<TJob>(string job, Action<TriggerBuilder<IJob>>? trigger = null, Action<JobBuilder<TJob>>? detail = null)
        where TJob : IJob
    {
        JobBuilder<TJob> jobBuilder = JobBuilder.Create<TJob>().WithIdentity(job);
        detail?.Invoke(jobBuilder);
        TriggerBuilder<IJob> triggerBuilder = TriggerBuilder.Create().WithIdentity($"{job}-trigger").StartNow();
        trigger?.Invoke(triggerBuilder);
        await Scheduler.ScheduleJob(jobBuilder.Build(), triggerBuilder.Build());
    }

    /// <summary>The one deferral that is pending: it has not fired yet.</summary>
    public async Task<ITrigger> PendingDeferralAsync() => Assert.Single(await PendingDeferralsAsync());

    public async Task<IReadOnlyList<ITrigger>> PendingDeferralsAsync()
    {
        PagedResult<TriggerHeader> pending = await Scheduler.QueryTriggers(Deferrals);
        List<ITrigger> triggers = [];
        foreach (TriggerHeader header in pending.Items.Where(t => t.NextFireTimeUtc is not null))
        {
            triggers.Add((await Scheduler.GetTrigger(header.Key))!);
        }

        return triggers;
    }

    /// <summary>Waits until this many executions of all nodes are in the queue of a lock.</summary>
    public Task QueuedAsync(string name, int count) => Eventually.IsTrueAsync(async () =>
        (await Locks.ListAsync(name).FirstOrDefaultAsync(held => held.Name == name))?.Waiters.Count == count);

    public Task StopAsync() => _host.StopAsync();

    public async ValueTask DisposeAsync()
    {
        if (_started)
        {
            Store.Mend();
            await _host.StopAsync();
        }

        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}
