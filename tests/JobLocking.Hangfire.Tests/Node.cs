using Hangfire;
using Hangfire.AspNetCore;
using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>One host with a Hangfire server, as a process of its own would be.</summary>
public sealed class Node : IAsyncDisposable
{
    private readonly IHost _host;

    private Node(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;

    /// <summary>The ids of what it has logged.</summary>
    public IEnumerable<int> LoggedIds => Services.GetFakeLogCollector().GetSnapshot().Select(record => record.Id.Id);

    public ITaskLocks Locks => Services.GetRequiredService<ITaskLocks>();

    public static async Task<Node> StartAsync(
        string name,
        Cluster cluster,
        Action<JobLockingOptions>? configure,
        Action<BackgroundJobServerOptions, IServiceProvider>? configureServer)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });
        builder.Services.AddSingleton(cluster.Probes);
        builder.Services.AddTransient<IOnInterface, OnInterface>();
        builder.Services.AddTransient<IUndecorated, Undecorated>();
        cluster.AddLocks(builder.Services, o =>
        {
            o.NodeName = name;
            configure?.Invoke(o);
        });
        if (cluster.IsBlind)
        {
            BlindStore.Replace(builder.Services);
        }

        builder.Logging.AddFakeLogging().AddFilter("JobLocking", LogLevel.Debug);
        if (cluster.HasTaskLockServices)
        {
            // Not AddHangfire: it would configure the whole process.
            builder.Services.AddSingleton<IGlobalConfiguration>(GlobalConfiguration.Configuration);
            builder.Services.AddHangfireServer((sp, options) => Configure(options, sp), cluster.Storage, []);
            builder.Services.AddHangfireTaskLocks(o => o.KeepSkippedJobs = cluster.KeepsSkippedJobs);
        }
        else
        {
            builder.Services.AddSingleton<IHostedService>(sp =>
                new BackgroundJobServerHostedService(cluster.Storage, Configure(new BackgroundJobServerOptions(), sp), [], sp.GetService<IHostApplicationLifetime>()));
        }

        Node node = new(builder.Build());
        try
        {
            await node._host.StartAsync();
            return node;
        }
        catch
        {
            node._host.Dispose();
            throw;
        }

        BackgroundJobServerOptions Configure(BackgroundJobServerOptions options, IServiceProvider services)
        {
            options.ServerName = name;
            options.WorkerCount = 1;
            options.Queues = ["critical", "default"];
            options.Activator = new AspNetCoreJobActivator(services.GetRequiredService<IServiceScopeFactory>());
            options.SchedulePollingInterval = TimeSpan.FromMilliseconds(50);
            options.CancellationCheckInterval = TimeSpan.FromMilliseconds(50);
            options.ShutdownTimeout = TimeSpan.FromSeconds(10);
            options.UseTaskLocks(services);
            configureServer?.Invoke(options, services);
            return options;
        }
    }

    public Task StopAsync() => _host.StopAsync();

    /// <summary>Takes a lock by hand; fails the test if the lock is taken.</summary>
    public async Task<TaskLease> TakeAsync(string name) =>
        await Locks.TryAcquireAsync(name) ?? throw new InvalidOperationException($"Lock '{name}' is taken.");

    /// <summary>Takes a lock for a holder that is dead already: the lease is neither renewed nor released.</summary>
    public async Task AbandonAsync(string name, TimeSpan expiry)
    {
        LockHolder dead = new("tests", "dead", "code", "dead", "1", DateTimeOffset.UnixEpoch);
        AcquireResult result = await Services.GetRequiredService<ILockStore>().AcquireAsync(
            new AcquireRequest(name, "abandoned-abandoned-ab", expiry, dead), CancellationToken.None);
        Assert.Equal(AcquireOutcome.Granted, result.Outcome);
    }

    /// <summary>The ids of the jobs that wait for a lock that is held, the oldest first.</summary>
    public async Task<string?[]> QueuedAsync() => [.. (await HeldAsync()).Take(1).SelectMany(held => held.Waiters).Select(waiter => waiter.Description.Execution)];

    public Task<HeldLock[]> HeldAsync() => Locks.ListAsync().ToArrayAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
