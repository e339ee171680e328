using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.Client;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>What <c>AddHangfireTaskLocks</c> registers. The class runs alone, because some registrations belong to the process.</summary>
[Collection(nameof(RegistrationTests))]
public sealed class TaskLockServicesTests(SharedRedis redis) : IAsyncDisposable
{
    private readonly FakeLogCollector _logs = new();

    private IHost? _host;

    private Cluster? _cluster;

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync(CancellationToken.None);
            _host.Dispose();
        }

        await (_cluster?.DisposeAsync() ?? default);
        GlobalJobFilters.Filters.Remove<ProcessFilter>();
    }

    [Theory]
    [InlineData("AddHangfire AddHangfireServer AddHangfireTaskLocks")]
    [InlineData("AddHangfire AddHangfireTaskLocks AddHangfireServer")]
    [InlineData("AddHangfireServer AddHangfire AddHangfireTaskLocks")]
    [InlineData("AddHangfireServer AddHangfireTaskLocks AddHangfire")]
    [InlineData("AddHangfireTaskLocks AddHangfire AddHangfireServer")]
    [InlineData("AddHangfireTaskLocks AddHangfireServer AddHangfire")]
    [InlineData("AddHangfireTaskLocks AddHangfire AddHangfireServer AddHangfireTaskLocks")]
    public async Task The_order_of_the_calls_does_not_matter(string order)
    {
        Cluster cluster = NewCluster();
        IHost host = await StartAsync(cluster, services =>
        {
            foreach (string call in order.Split(' '))
            {
                _ = call switch
                {
                    "AddHangfire" => services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp).UseStorage(cluster.Storage)),
                    "AddHangfireServer" => services.AddHangfireServer(o => o.WorkerCount = 1),
                    _ => services.AddHangfireTaskLocks(),
                };
            }
        });

        await LossIsFeltAsync(cluster, host);
        Assert.Empty(Warnings());
    }

    [Theory]
    [InlineData(Storages.InMemory)]
    [InlineData(Storages.Redis)]
    public async Task A_server_keeps_the_activator_the_task_scheduler_and_the_filters_of_its_options(Storages storages)
    {
        Cluster cluster = NewCluster(storages);
        Activator activator = new();
        Scheduler scheduler = new();
        Counter counter = new();
        await StartAsync(cluster, services => AddServer(services, cluster, (sp, o) =>
        {
            o.Activator = activator;
            o.TaskScheduler = scheduler;
            o.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { counter });
            o.UseTaskLocks(sp);
        }).AddHangfireTaskLocks());

        JobState succeeded = await cluster.SucceedsAsync(cluster.Client.Enqueue<Made>(m => m.By()));

        Assert.Equal($"\"{nameof(Activator)} on {nameof(Scheduler)}\"", succeeded.Data["Result"]);
        Assert.Equal((1, 2), (counter.Performed, counter.Applied));
    }

    [Theory]
    [InlineData(Storages.InMemory)]
    [InlineData(Storages.Redis)]
    public async Task The_servers_of_a_storage_keep_options_of_their_own_if_their_names_differ(Storages storages)
    {
        Cluster cluster = NewCluster(storages);
        Scheduler scheduler = new();
        await StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) =>
            {
                o.ServerName = "Critical";
                o.Queues = ["critical"];
                o.Activator = new Activator();
                o.UseTaskLocks(sp);
            });
            AddServer(services, cluster, (sp, o) =>
            {
                o.TaskScheduler = scheduler;
                o.UseTaskLocks(sp);
            });
            services.AddHangfireTaskLocks();
        });

        JobState critical = await cluster.SucceedsAsync(cluster.Client.Enqueue<Made>("critical", m => m.By()));
        JobState other = await cluster.SucceedsAsync(cluster.Client.Enqueue<Made>(m => m.By()));

        Assert.Equal($"\"{nameof(Activator)} on {TaskScheduler.Default.GetType().Name}\"", critical.Data["Result"]);
        Assert.Equal($"\"the container on {nameof(Scheduler)}\"", other.Data["Result"]);
    }

    [Fact]
    public async Task Two_servers_of_a_storage_that_both_call_UseTaskLocks_need_no_names()
    {
        Cluster cluster = NewCluster();
        IHost host = await StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp));
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp));
            services.AddHangfireTaskLocks();
        });

        await LossIsFeltAsync(cluster, host);
    }

    public static TheoryData<string, Func<BackgroundJobServerOptions, object>> Options => new()
    {
        { "Activator", o => o.Activator = new Activator() },
        { "TaskScheduler", o => o.TaskScheduler = new Scheduler() },
        { "FilterProvider", o => o.FilterProvider = new JobFilterCollection() },
    };

    [Theory]
    [MemberData(nameof(Options), DisableDiscoveryEnumeration = true)]
    public async Task Servers_that_cannot_be_told_apart_and_differ_in_an_option_are_refused(string option, Func<BackgroundJobServerOptions, object> set)
    {
        Cluster cluster = NewCluster();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) =>
            {
                o.ServerName = "twin";
                set(o);
                o.UseTaskLocks(sp);
            });
            AddServer(services, cluster, (sp, o) =>
            {
                o.ServerName = "Twin";
                o.UseTaskLocks(sp);
            });
            services.AddHangfireTaskLocks();
        }));

        Assert.StartsWith("AddHangfireTaskLocks: 2 Hangfire servers with the ServerName 'twin' use one storage", error.Message, StringComparison.Ordinal);
        Assert.Contains($"different values of {option} in their options", error.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: give each server a ServerName of its own", error.Message, StringComparison.Ordinal);
        Assert.Single(error.Message.Split(Environment.NewLine));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_whose_options_cannot_be_read_is_refused_where_they_would_be_ignored(bool wouldBeIgnored)
    {
        Cluster cluster = NewCluster();
        int calls = 0;
        Task<IHost> started = StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) =>
            {
                if (calls++ > 0)
                {
                    throw new InvalidOperationException("Only once.");
                }

                o.UseTaskLocks(sp);
            });
            _ = wouldBeIgnored ? services.AddHangfireTaskLocks() : services;
        });

        if (!wouldBeIgnored)
        {
            await started;
            await cluster.SucceedsAsync(cluster.Client.Enqueue<Made>(m => m.By()));
            return;
        }

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => started);
        Assert.StartsWith("AddHangfireTaskLocks: the options of a Hangfire server cannot be read, and would be ignored: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("Only once. Fix: let AddHangfireServer be configured by code that can run twice", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_keep_the_filters_of_the_container_and_schedules_those_of_their_server()
    {
        Cluster cluster = NewCluster();
        Counter ofServer = new();
        Counter ofContainer = new();
        IHost host = await StartAsync(cluster, services =>
        {
            services.AddSingleton<IJobFilterProvider>(new JobFilterCollection { ofContainer });
            AddServer(services, cluster, (sp, o) =>
            {
                o.FilterProvider = new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { ofServer });
                o.UseTaskLocks(sp);
            }).AddHangfireTaskLocks();
        });

        BackgroundJobClient client = new(cluster.Storage, host.Services.GetRequiredService<IBackgroundJobFactory>(), host.Services.GetRequiredService<IBackgroundJobStateChanger>())
        {
            RetryAttempts = 3,
        };
        string job = client.Schedule<Made>(m => m.By(), TimeSpan.FromHours(1));
        client.Delete(job);
        Assert.Equal(3, client.RetryAttempts);
        Assert.Equal((1, 2), (ofContainer.Created, ofContainer.Applied));
        Assert.Equal((0, 0), (ofServer.Created, ofServer.Applied));

        cluster.Recurring.AddOrUpdate<Made>("each-second", m => m.By(), "* * * * * *");

        await Eventually.IsTrueAsync(() => ofServer is { Created: > 0, Applied: > 2, Performed: > 0 });
        Assert.Equal((1, 2), (ofContainer.Created, ofContainer.Applied));
    }

    [Fact]
    public async Task Services_of_the_user_that_are_registered_before_do_their_work_inside()
    {
        Cluster cluster = NewCluster();
        Scheduler scheduler = new();
        IHost host = await StartAsync(cluster, services =>
        {
            services.AddSingleton(scheduler);
            services.AddSingleton<IBackgroundJobPerformer, OwnPerformer>();
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp));
            services.AddSingleton<IBackgroundJobStateChanger>(_ => new BackgroundJobStateChanger());
            services.AddSingleton<IBackgroundJobFactory>(new BackgroundJobFactory());
            services.AddHangfireTaskLocks();
            services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp).UseStorage(cluster.Storage));
        });

        await LossIsFeltAsync(cluster, host);
        JobState succeeded = await cluster.SucceedsAsync(cluster.Client.Enqueue<Made>(m => m.By()));
        Assert.Equal($"\"the container on {nameof(Scheduler)}\"", succeeded.Data["Result"]);
        Assert.IsType<BackgroundJobFactory>(host.Services.GetRequiredService<IBackgroundJobFactory>());
    }

    [Theory]
    [InlineData(typeof(IBackgroundJobPerformer))]
    [InlineData(typeof(IBackgroundJobStateChanger))]
    public async Task A_service_of_the_user_that_is_registered_afterwards_is_refused(Type service)
    {
        Cluster cluster = NewCluster();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp)).AddHangfireTaskLocks();
            services.AddSingleton<IBackgroundJobPerformer>(_ => new BackgroundJobPerformer());
            services.AddSingleton<IBackgroundJobStateChanger>(_ => new BackgroundJobStateChanger());
        }));

        Assert.Contains($"AddHangfireTaskLocks: {service.Name} is registered once more, with {service.Namespace}.{service.Name[1..]},", error.Message, StringComparison.Ordinal);
        Assert.Contains($"Fix: call AddHangfireTaskLocks after {service.Name} is registered", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UseTaskLocks_alone_says_once_at_start_what_it_lacks()
    {
        Cluster cluster = NewCluster();

        IHost host = await StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp));
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp));
        });

        FakeLogRecord said = Assert.Single(Warnings());
        Assert.Equal((2030, LogLevel.Warning), (said.Id.Id, said.Level));
        Assert.Contains("does not cancel the CancellationToken of its job", said.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: call services.AddHangfireTaskLocks()", said.Message, StringComparison.Ordinal);
        await OnlyLostIsCancelledAsync(cluster, host);
    }

    [Fact]
    public async Task A_version_of_Hangfire_that_lets_no_token_be_given_is_named_and_the_lease_says_the_loss()
    {
        Assert.True(LockedJobToken.CanBeGiven);
        Cluster cluster = NewCluster();

        IHost host = await StartAsync(cluster, services =>
        {
            AddServer(services, cluster, (sp, o) => o.UseTaskLocks(sp)).AddHangfireTaskLocks();
            services.Replace(ServiceDescriptor.Transient<IBackgroundJobPerformer>(
                sp => new LockedJobPerformer(sp.GetRequiredService<HostedServers>(), givesTokens: false)));
        });

        FakeLogRecord said = Assert.Single(Warnings());
        Assert.Equal(2031, said.Id.Id);
        Assert.StartsWith("Hangfire.Core 1.8.", said.Message, StringComparison.Ordinal);
        await OnlyLostIsCancelledAsync(cluster, host);
    }

    [Fact]
    public void Without_JobLocking_the_services_name_the_fix()
    {
        using ServiceProvider services = new ServiceCollection().AddHangfireTaskLocks().BuildServiceProvider();

        TaskLockException error = Assert.Throws<TaskLockException>(() => services.GetService<IBackgroundJobPerformer>());

        Assert.Contains("Fix: call services.AddJobLocking()", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Without <c>AddHangfire</c>, which would configure the whole process.</summary>
    private static IServiceCollection AddServer(IServiceCollection services, Cluster cluster, Action<IServiceProvider, BackgroundJobServerOptions> configure)
    {
        services.TryAddSingleton<IGlobalConfiguration>(GlobalConfiguration.Configuration);
        services.TryAddSingleton<JobActivator>(sp => new AspNetCoreJobActivator(sp.GetRequiredService<IServiceScopeFactory>()));
        return services.AddHangfireServer(
            (sp, options) =>
            {
                options.WorkerCount = 1;
                options.SchedulePollingInterval = TimeSpan.FromMilliseconds(50);
                configure(sp, options);
            },
            cluster.Storage,
            []);
    }

    private static async Task LossIsFeltAsync(Cluster cluster, IHost host)
    {
        JobProbe probe = cluster.Probes["felt"];
        string job = await LoseAsync(cluster, host, probe);

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockLostException).FullName, failed.Data["ExceptionType"]);
    }

    private static async Task OnlyLostIsCancelledAsync(Cluster cluster, IHost host)
    {
        JobProbe probe = cluster.Probes["felt"];
        string job = await LoseAsync(cluster, host, probe);

        await Eventually.IsTrueAsync(() => probe.Lease!.Lost.IsCancellationRequested);
        probe.Release();
        await cluster.SucceedsAsync(job);
    }

    private static async Task<string> LoseAsync(Cluster cluster, IHost host, JobProbe probe)
    {
        probe.Hold();
        string job = cluster.Client.Enqueue<Watching>(w => w.Token("x", "felt", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        HeldLock held = Assert.Single(await locks.ListAsync().ToArrayAsync());
        Assert.True(await locks.BreakAsync(held.Name, held.FencingToken!.Value, TestContext.Current.CancellationToken));
        return job;
    }

    private Cluster NewCluster(Storages storages = Storages.InMemory) => _cluster = redis.NewCluster(storages);

    private async Task<IHost> StartAsync(Cluster cluster, Action<IServiceCollection> register)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });

        // Registered as an instance: Hangfire keeps it for the whole process, so the container must not dispose of it.
        builder.Services.AddSingleton<ILoggerFactory>(new LoggerFactory([new FakeLoggerProvider(_logs)]));
        builder.Services.AddSingleton(cluster.Probes);
        cluster.AddLocks(builder.Services, null);
        register(builder.Services);
        _host = builder.Build();
        await _host.StartAsync(TestContext.Current.CancellationToken);
        return _host;
    }

    private FakeLogRecord[] Warnings() => [.. _logs.GetSnapshot().Where(record => record.Id.Id is >= 2025 and < 2040)];

    /// <summary>Its result names its creator and its task scheduler.</summary>
    public sealed class Made
    {
        public string Creator { get; init; } = "the container";

        [TaskLock("made")]
        public Task<string> By() => Task.FromResult($"{Creator} on {TaskScheduler.Current.GetType().Name}");
    }

    private sealed class Activator : JobActivator
    {
        public override object ActivateJob(Type jobType) => new Made { Creator = nameof(Activator) };
    }

    private sealed class Scheduler : TaskScheduler
    {
        protected override IEnumerable<Task> GetScheduledTasks() => [];

        protected override void QueueTask(Task task) => ThreadPool.QueueUserWorkItem(_ => TryExecuteTask(task));

        protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;
    }

    private sealed class OwnPerformer(IServiceScopeFactory scopes, Scheduler scheduler) : IBackgroundJobPerformer
    {
        private readonly BackgroundJobPerformer _performer = new(JobFilterProviders.Providers, new AspNetCoreJobActivator(scopes), scheduler);

        public object Perform(PerformContext context) => _performer.Perform(context);
    }

    private sealed class Counter : JobFilterAttribute, IClientFilter, IServerFilter, IApplyStateFilter
    {
        private int _applied;
        private int _created;
        private int _performed;

        public int Applied => Volatile.Read(ref _applied);

        public int Created => Volatile.Read(ref _created);

        public int Performed => Volatile.Read(ref _performed);

        public void OnCreating(CreatingContext context)
        {
        }

        public void OnCreated(CreatedContext context) => Interlocked.Increment(ref _created);

        public void OnPerforming(PerformingContext context)
        {
        }

        public void OnPerformed(PerformedContext context) => Interlocked.Increment(ref _performed);

        public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction) => Interlocked.Increment(ref _applied);

        public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
        }
    }
}
