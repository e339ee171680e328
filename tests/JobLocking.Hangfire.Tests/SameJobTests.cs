using System.Linq.Expressions;
using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.Common;
using Hangfire.InMemory;
using Hangfire.States;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

#pragma warning disable IDE0060 // Arguments that tell jobs apart.

namespace JobLocking.Hangfire.Tests;

/// <summary>Which recurring jobs <see cref="LockConflict.Auto"/> skips because of a holder.</summary>
public sealed class SameJobTests(SharedRedis redis) : IAsyncLifetime
{
    private const string Deferred = "Deferred (";

    private readonly Cluster _cluster = redis.NewCluster();

    private readonly List<IHost> _hosts = [];

    private JobProbe Vendor => _cluster.Probes["vendor"];

    public ValueTask InitializeAsync()
    {
        Vendor.Hold();
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        Vendor.Release();
        await Task.WhenAll(_hosts.Select(host => host.StopAsync()));
        _hosts.ForEach(host => host.Dispose());
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Nodes_with_a_storage_each_do_the_work_once()
    {
        Storage[] storages = [new(), new(), new()];
        await StartAsync("pod-1", ("pod-1", storages[0]));
        await StartAsync("pod-2", ("pod-2", storages[1]));
        await StartAsync("pod-3", (null, storages[2]));
        storages[0].Fire();
        await BegunAsync(1);

        foreach (Storage storage in storages[1..])
        {
            await storage.SeesAsync(storage.Fire(), DeletedState.StateName, "Skipped: lock 'vendor-api' is held by tests on pod-1, Hangfire job Sync.Run [nightly] #");
        }
    }

    [Fact]
    public async Task The_job_of_another_tenants_storage_is_deferred()
    {
        (Storage a, Storage b) = (new Storage(), new Storage());
        await StartAsync("pod-1", ("a", a), ("b", b));
        string first = a.Fire();
        await BegunAsync(1);

        string second = b.Fire();

        await b.SeesAsync(second, ScheduledState.StateName, Deferred);
        Vendor.Release();
        await a.SeesAsync(first, SucceededState.StateName);
        await b.SeesAsync(second, SucceededState.StateName);
    }

    [Fact]
    public async Task The_job_of_another_tenants_storage_is_deferred_while_the_lock_is_kept_after_the_first()
    {
        Vendor.Release();
        (Storage a, Storage b) = (new Storage(), new Storage());
        await StartAsync("pod-1", ("a", a), ("b", b));
        await a.SeesAsync(a.Fire<Brief>(w => w.Run("vendor", CancellationToken.None)), SucceededState.StateName);

        string second = b.Fire<Brief>(w => w.Run("vendor", CancellationToken.None));

        Assert.Contains("is kept for its minimum hold", await b.SeesAsync(second, ScheduledState.StateName, Deferred), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tenants_are_told_apart_before_each_has_run_a_job_on_each_node()
    {
        Storage[] ofFirst = [new(), new()];
        Storage[] ofSecond = [new(), new()];
        await StartAsync("pod-1", ("a", ofFirst[0]), ("b", ofFirst[1]));
        await StartAsync("pod-2", ("a", ofSecond[0]), ("b", ofSecond[1]));
        ofFirst[0].Fire();
        await BegunAsync(1);

        string tenantB = ofSecond[1].Fire();
        string tenantA = ofSecond[0].Fire();

        await ofSecond[1].SeesAsync(tenantB, ScheduledState.StateName, Deferred);
        await ofSecond[0].SeesAsync(tenantA, DeletedState.StateName, "Skipped: ");
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("same", "Same")]
    public async Task Tenants_whose_servers_have_no_names_of_their_own_are_not_the_same(string? nameA, string? nameB)
    {
        (Storage a, Storage b) = (new Storage(), new Storage());
        await StartAsync("pod-1", (nameA, a), (nameB, b));
        a.Fire();
        await BegunAsync(1);

        await a.SeesAsync(a.Fire(), ScheduledState.StateName, Deferred);
        await b.SeesAsync(b.Fire(), ScheduledState.StateName, Deferred);
    }

    [Fact]
    public async Task The_servers_of_one_storage_are_one_installation_whatever_their_names()
    {
        (Storage a, Storage b) = (new Storage(), new Storage());
        await StartAsync("pod-1", ("a-1", a), ("a-2", a), ("b", b));
        string first = a.Fire();
        await BegunAsync(1);

        string[] others = [a.Fire(), a.Fire()];

        Assert.All(await Task.WhenAll(others.Select(job => a.SeesAsync(job, DeletedState.StateName, "Skipped: "))), Assert.NotNull);
        Assert.Equal(1, Vendor.Begun);
        Assert.NotEqual(first, others[0]);
    }

    [Fact]
    public async Task A_job_with_the_same_id_is_the_same_if_its_class_and_arguments_are()
    {
        Storage[] storages = [new(), new(), new(), new()];
        for (int i = 0; i < storages.Length; i++)
        {
            await StartAsync($"pod-{i + 1}", (null, storages[i]));
        }

        storages[0].Fire();
        await BegunAsync(1);

        string otherClass = storages[1].Fire<Us.Sync>(w => w.Run("vendor", "eu", CancellationToken.None));
        string otherArguments = storages[2].Fire<Eu.Sync>(w => w.Run("vendor", "us", CancellationToken.None));
        string same = storages[3].Fire<Eu.Sync>(w => w.Run("vendor", "eu", CancellationToken.None));

        await storages[1].SeesAsync(otherClass, ScheduledState.StateName, Deferred);
        await storages[2].SeesAsync(otherArguments, ScheduledState.StateName, Deferred);
        await storages[3].SeesAsync(same, DeletedState.StateName, "Skipped: ");
    }

    [Fact]
    public void Overloads_and_the_methods_of_generic_types_are_not_the_same()
    {
        Job[] jobs =
        [
            Job.FromExpression<Generic<int>>(g => g.Run(1)),
            Job.FromExpression<Generic<int>>(g => g.Run(1L)),
            Job.FromExpression<Generic<long>>(g => g.Run(1)),
            Job.FromExpression<Generic<int>>(g => g.Run<Eu.Sync>(1)),
            Job.FromExpression<Generic<int>>(g => g.Run<Us.Sync>(1)),
        ];

        string?[] identities = [.. jobs.Select(job => JobIdentity.Of(job, "nightly", ""))];

        Assert.All(identities, Assert.NotNull);
        Assert.Equal(jobs.Length, identities.Distinct().Count());
    }

    private Task BegunAsync(int count) => Eventually.IsTrueAsync(() => Vendor.Begun == count);

    /// <summary>Starts a host with <c>AddHangfireServer</c>, which registers nothing that can be resolved twice.</summary>
    private async Task StartAsync(string node, params (string? Name, Storage Storage)[] servers)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });
        builder.Services.AddSingleton(_cluster.Probes);
        builder.Services.AddSingleton<IGlobalConfiguration>(GlobalConfiguration.Configuration);
        _cluster.AddLocks(builder.Services, o => o.NodeName = node);
        foreach ((string? name, Storage storage) in servers)
        {
            builder.Services.AddHangfireServer(
                (services, options) =>
                {
                    options.ServerName = name;
                    options.WorkerCount = 2;
                    options.Activator = new AspNetCoreJobActivator(services.GetRequiredService<IServiceScopeFactory>());
                    options.SchedulePollingInterval = TimeSpan.FromMilliseconds(50);
                    options.UseTaskLocks(services);
                },
                storage.Jobs);
        }

        IHost host = builder.Build();
        _hosts.Add(host);
        await host.StartAsync();
    }

    /// <summary>A storage in the memory of one process.</summary>
    private sealed class Storage
    {
        public InMemoryStorage Jobs { get; } = new();

        /// <summary>Creates a job of the recurring one that all storages have.</summary>
        public string Fire() => Fire<Eu.Sync>(w => w.Run("vendor", "eu", CancellationToken.None));

        public string Fire<T>(Expression<Func<T, Task>> job)
        {
            RecurringJobManager manager = new(Jobs);
            manager.AddOrUpdate("nightly", job, Cron.Yearly());
            return manager.TriggerJob("nightly");
        }

        public Task<string> SeesAsync(string job, string state, string reason = "") => Eventually.SeesAsync(
            () => Jobs.GetMonitoringApi().JobDetails(job).History[0] is var newest ? $"{newest.StateName}: {newest.Reason}" : "",
            newest => newest.StartsWith($"{state}: {reason}", StringComparison.Ordinal),
            fact: $"job {job} is {state}, {reason}");
    }

    [AutomaticRetry(Attempts = 0)]
    public class Brief(JobProbes probes, ITaskLeaseAccessor leases)
    {
        [TaskLock("vendor-api", DeferBy = 1, MinHold = 60)]
        public Task Run(string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
    }

    public class Generic<T>
    {
        public Task Run(int number) => Task.CompletedTask;

        public Task Run(long number) => Task.CompletedTask;

        public Task Run<TJob>(int number) => Task.CompletedTask;
    }
}
