using Hangfire;
using Hangfire.InMemory;
using Hangfire.States;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// Several hosts in one process, each configured as in docs/start-hangfire.md. The class runs alone, because the registrations belong to the
/// process.
/// </summary>
[Collection(nameof(RegistrationTests))]
public sealed class SeveralHostsTests : IDisposable
{
    private readonly JobProbes _probes = new();

    public void Dispose() => GlobalJobFilters.Filters.Remove<ProcessFilter>();

    [Fact]
    public async Task Each_host_keeps_its_own_locks_also_when_another_is_disposed()
    {
        using InMemoryStorage one = new();
        using InMemoryStorage two = new();
        using IHost first = await StartAsync("first", one);
        IHost second = await StartAsync("second", two);

        Assert.Equal("first", await RunsUnderAsync(one, "in the first"));
        Assert.Equal("second", await RunsUnderAsync(two, "in the second"));

        await second.StopAsync(TestContext.Current.CancellationToken);
        second.Dispose();
        Assert.Equal("first", await RunsUnderAsync(one, "in the first, alone"));

        // A server that still uses the storage of the disposed host runs jobs neither without a lock nor under the locks of another host.
        string left = Enqueue(two, "left over");
        using (new BackgroundJobServer(new BackgroundJobServerOptions { WorkerCount = 1, SchedulePollingInterval = TimeSpan.FromMilliseconds(50) }, two))
        {
            string said = await Eventually.SeesAsync(() => Failure(two, left), error => error.Length > 0);
            Assert.Contains("cannot have its lock 'work:{key}': the host that called UseTaskLocks for this server was disposed", said, StringComparison.Ordinal);
        }

        Assert.Equal(0, _probes["left over"].Begun);
        await first.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task With_two_hosts_on_one_storage_the_one_that_is_alive_takes_the_locks()
    {
        using InMemoryStorage shared = new();
        using IHost first = await StartAsync("first", shared);
        IHost second = await StartAsync("second", shared);
        await second.StopAsync(TestContext.Current.CancellationToken);
        second.Dispose();

        Assert.Equal("first", await RunsUnderAsync(shared, "shared"));

        await first.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_server_created_in_code_belongs_to_the_last_host()
    {
        using InMemoryStorage ofHost = new();
        using InMemoryStorage byHand = new();
        using IHost first = await StartAsync("first", ofHost);
        using ServiceProvider second = new ServiceCollection().AddJobLocking(o => o.NodeName = "second").UseInMemory().Services
            .AddSingleton(_probes).BuildServiceProvider();
        GlobalConfiguration.Configuration.UseTaskLocks(second);

        using (new BackgroundJobServer(
            new BackgroundJobServerOptions { WorkerCount = 1, Activator = new ContainerActivator(second) }, byHand))
        {
            Assert.Equal("second", await RunsUnderAsync(byHand, "by hand"));
        }

        Assert.Equal("first", await RunsUnderAsync(ofHost, "of the host"));
        await first.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_server_created_in_code_on_the_storage_of_a_host_belongs_to_that_host()
    {
        using InMemoryStorage ofHost = new();
        using IHost first = await StartAsync("first", ofHost, hasServer: false);
        using ServiceProvider second = new ServiceCollection().AddJobLocking(o => o.NodeName = "second").UseInMemory().Services.BuildServiceProvider();
        GlobalConfiguration.Configuration.UseTaskLocks(second);

        using (new BackgroundJobServer(
            new BackgroundJobServerOptions { WorkerCount = 1, Activator = new ContainerActivator(first.Services) }, ofHost))
        {
            Assert.Equal("first", await RunsUnderAsync(ofHost, "by hand"));
        }

        await first.StopAsync(TestContext.Current.CancellationToken);
    }

    private static string Enqueue(JobStorage storage, string probe) =>
        new BackgroundJobClient(storage).Enqueue<Work>(w => w.Auto("x", probe, CancellationToken.None));

    private static string Failure(JobStorage storage, string job) =>
        storage.GetMonitoringApi().JobDetails(job).History[0] is { StateName: var state, Data: var data } && state == FailedState.StateName ? data["ExceptionMessage"] : "";

    /// <summary>Runs a job, and returns the node that had its lock.</summary>
    private async Task<string?> RunsUnderAsync(JobStorage storage, string probe)
    {
        string job = Enqueue(storage, probe);
        await Eventually.SeesAsync(
            () => storage.GetMonitoringApi().JobDetails(job).History[0].StateName, state => state == SucceededState.StateName, fact: $"{probe} has succeeded");
        return _probes[probe].Lease?.Holder.Node;
    }

    private async Task<IHost> StartAsync(string name, JobStorage storage, bool hasServer = true)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });
        builder.Services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance);
        builder.Services.AddSingleton(_probes);
        builder.Services.AddJobLocking(o => o.NodeName = name).UseInMemory();

        // Registered as an instance: the container of the host would dispose of one that Hangfire registers.
        builder.Services.AddSingleton(storage);
        builder.Services.AddHangfire((sp, configuration) => configuration.UseStorage(storage).UseTaskLocks(sp));
        if (hasServer)
        {
            builder.Services.AddHangfireServer(o => o.WorkerCount = 1);
        }

        IHost host = builder.Build();

        // Hangfire runs its configuration when a service of it is first resolved.
        host.Services.GetRequiredService<IGlobalConfiguration>();
        await host.StartAsync(TestContext.Current.CancellationToken);
        return host;
    }

    private sealed class ContainerActivator(IServiceProvider services) : JobActivator
    {
        public override object ActivateJob(Type jobType) => ActivatorUtilities.CreateInstance(services, jobType);
    }
}
