using JobLocking.Stores;
using JobLocking.Stores.InMemory;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace JobLocking.Tests.Hosting;

public sealed class HostTests
{
    private sealed class Job;

    [Fact]
    public async Task A_host_without_a_store_does_not_start_and_says_what_to_add()
    {
        TaskLockException error = await StartAsync(_ => { });
        Assert.Contains("UseRedis", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_with_two_stores_does_not_start()
    {
        TaskLockException error = await StartAsync(locking => locking.UseInMemory().UseInMemory());
        Assert.Contains("2 stores", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_problems_are_reported_at_once()
    {
        TaskLockException error = await StartAsync(
            locking => locking.UseInMemory(),
            o => o.ForJob<Job>(new TaskLockAttribute("x") { Expire = 0, DeferBy = 0 }),
            ("JobLocking:Nonsense", "1"));
        Assert.Contains("Expire is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("DeferBy is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("JobLocking:Nonsense", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_override_for_no_known_lock_causes_a_warning()
    {
        using IHost host = Host(locking => locking.UseInMemory(), null, ("JobLocking:Locks:0:Name", "nobody"), ("JobLocking:Locks:0:Expire", "5"));
        await host.StartAsync();
        Assert.Contains(host.Services.GetFakeLogCollector().GetSnapshot(), r => r.Id.Id == EventIds.UnmatchedOverride && r.Message.Contains("'nobody'", StringComparison.Ordinal));
        await host.StopAsync();
    }

    [Fact]
    public async Task An_override_that_applies_is_logged_at_start_with_its_path_its_lock_and_what_it_sets()
    {
        using IHost host = Host(
            locking => locking.UseInMemory(),
            o => o.ForJob<Job>(new TaskLockAttribute("x:{0}")),
            ("JobLocking:Locks:any:Name", "x:{0}"),
            ("JobLocking:Locks:any:Expire", "300"),
            ("JobLocking:Locks:any:OnConflict", "defer"),
            ("JobLocking:Locks:other:Name", "nobody"));
        await host.StartAsync();
        FakeLogRecord said = Assert.Single(host.Services.GetFakeLogCollector().GetSnapshot(), r => r.Id.Id == EventIds.OverrideApplied);
        Assert.Equal(LogLevel.Information, said.Level);
        Assert.Equal("Configuration JobLocking:Locks:any sets for lock 'x:{0}': Expire = 300, OnConflict = defer", said.Message);
        await host.StopAsync();
    }

    [Fact]
    public async Task Names_of_node_and_application_come_from_configuration_code_and_host()
    {
        using IHost host = Host(locking => locking.UseInMemory(), null, ("JobLocking:NodeName", "from-configuration"));
        await using TaskLease? lease = await host.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync("x");
        Assert.Equal(("from-configuration", "host-tests", "code"), (lease!.Holder.Node, lease.Holder.Application, lease.Holder.Scheduler));
    }

    [Fact]
    public async Task A_host_starts_while_its_store_is_unavailable_and_is_unhealthy_until_it_is_back()
    {
        UnreliableStore store = new(new InMemoryLockStore(TimeProvider.System)) { AcquireAlways = UnreliableStore.Breakage.Refused };
        using IHost host = Host(locking => locking.Services.AddSingleton<ILockStore>(store));
        await host.StartAsync();
        HealthCheckService health = host.Services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync()).Status);

        store.AcquireAlways = UnreliableStore.Breakage.None;
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);
        await host.StopAsync();
    }

    [Fact]
    public async Task A_host_says_at_start_why_no_lock_can_be_acquired()
    {
        UnreliableStore store = new(new InMemoryLockStore(TimeProvider.System));
        store.CheckFaults.Enqueue(new LockStoreException("Redis answered 'NOPERM'.", mayHaveBeenApplied: false));
        using IHost host = Host(locking => locking.Services.AddSingleton<ILockStore>(store));

        await host.StartAsync();

        FakeLogRecord said = await Eventually.SeesAsync(
            () => host.Services.GetFakeLogCollector().GetSnapshot().SingleOrDefault(r => r.Id.Id == EventIds.StoreCheckFailed)!, record => record is not null);
        Assert.Equal("Redis answered 'NOPERM'.", said.Exception!.Message);
        await host.StopAsync();
    }

    [Fact]
    public async Task A_store_that_refuses_notifications_is_checked_all_the_same()
    {
        UnreliableStore store = new(new InMemoryLockStore(TimeProvider.System));
        for (int i = 0; i < 1_000; i++)
        {
            store.ListenFaults.Enqueue(new LockStoreException("refused", mayHaveBeenApplied: false));
        }

        store.CheckFaults.Enqueue(new LockStoreException("no lock", mayHaveBeenApplied: false));
        using IHost host = Host(locking => locking.Services.AddSingleton<ILockStore>(store));

        await host.StartAsync();

        await Eventually.IsTrueAsync(() => host.Services.GetFakeLogCollector().GetSnapshot().Any(r => r.Id.Id == EventIds.StoreCheckFailed));
        await host.StopAsync();
    }

    [Fact]
    public async Task A_renewal_that_is_seconds_late_is_unhealthy()
    {
        using EngineUnderTest node = new();
        await node.Locks.TryAcquireAsync("x");
        node.Time.TimersAreFrozen = true;
        node.Time.Advance(TimeSpan.FromSeconds(26));
        ServiceCollection services = new();
        services.AddLogging();
        services.AddSingleton(node.Renewal);
        services.AddSingleton<ILockStore>(node.Store);
        services.AddHealthChecks().AddJobLocking();
        await using ServiceProvider provider = services.BuildServiceProvider();
        HealthReport report = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        Assert.Contains("6 seconds late", report.Entries["joblocking"].Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lease_is_renewed_after_the_host_has_stopped_because_jobs_may_still_be_draining()
    {
        FakeTimeProvider time = new();
        using IHost host = Host(locking => locking.UseInMemory().Services.AddSingleton<TimeProvider>(time));
        await host.StartAsync();
        TaskLease lease = (await host.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync("x"))!;
        await host.StopAsync();

        // Time stands still while a renewal is late: a busy machine may need a while for it.
        DateTimeOffset end = time.GetUtcNow().AddSeconds(100);
        await TestKit.Eventually.IsTrueAsync(() =>
        {
            if (lease.ExpiresAt > time.GetUtcNow().AddSeconds(30))
            {
                time.Advance(TimeSpan.FromSeconds(1));
            }

            return time.GetUtcNow() >= end;
        });

        Assert.False(lease.IsLost());
    }

    [Fact]
    public void Registering_twice_registers_once_and_configures_twice()
    {
        ServiceCollection services = new();
        services.AddJobLocking(o => o.NodeName = "a").UseInMemory();
        int count = services.Count;
        services.AddJobLocking(o => o.ApplicationName = "b");
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Equal(count + 1, services.Count);
        Assert.Same(provider.GetRequiredService<ITaskLocks>(), provider.GetRequiredService<ITaskLocks>());
    }

    [Theory]
    [InlineData("Production", null, "host-tests")]
    [InlineData("production", null, "host-tests")]
    [InlineData("Staging", null, "host-tests (Staging)")]
    [InlineData("Staging", "billing", "billing (Staging)")]
    public async Task The_environment_of_the_host_is_a_part_of_the_application_where_it_is_not_Production(string environment, string? configured, string holder)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(
            new() { ApplicationName = "host-tests", EnvironmentName = environment });
        builder.Services.AddJobLocking(o => o.ApplicationName = configured ?? o.ApplicationName).UseInMemory();
        using IHost host = builder.Build();

        await using TaskLease? lease = await host.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync("x");

        Assert.Equal(holder, lease!.Holder.Application);
        Assert.Equal(configured ?? "host-tests", host.Services.GetRequiredService<IOptions<JobLockingOptions>>().Value.ApplicationName);
    }

    private static async Task<TaskLockException> StartAsync(
        Action<JobLockingBuilder> store, Action<JobLockingOptions>? configure = null, params (string Key, string Value)[] configuration)
    {
        using IHost host = Host(store, configure, configuration);
        return await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync());
    }

    private static IHost Host(
        Action<JobLockingBuilder> store, Action<JobLockingOptions>? configure = null, params (string Key, string Value)[] configuration)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "host-tests" });
        builder.Configuration.AddInMemoryCollection(configuration.Select(c => KeyValuePair.Create<string, string?>(c.Key, c.Value)));
        builder.Services.AddFakeLogging();
        builder.Services.AddHealthChecks().AddJobLocking();
        store(builder.Services.AddJobLocking(configure));
        return builder.Build();
    }
}
