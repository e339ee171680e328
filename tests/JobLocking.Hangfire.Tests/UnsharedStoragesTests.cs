using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.InMemory;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>The warning about recurring jobs of which each node has its own copy.</summary>
public sealed class UnsharedStoragesTests(SharedRedis redis)
{
    [Fact]
    public async Task Recurring_jobs_on_a_storage_of_their_own_cause_one_warning_at_start()
    {
        using InMemoryStorage storage = new();
        RecurringJobManager recurring = new(storage);
        for (int i = 10; i < 22; i++)
        {
            recurring.AddOrUpdate<Work>($"nightly-{i}", w => w.Auto("x", "nightly", CancellationToken.None), Cron.Yearly());
        }

        recurring.AddOrUpdate<Work>("kept", w => w.Brief("x"), Cron.Yearly());
        recurring.AddOrUpdate<Work>("failing", w => w.Fail("x", "failing", CancellationToken.None), Cron.Yearly());
        recurring.AddOrUpdate<Work>("without a lock", w => w.Free("free", CancellationToken.None), Cron.Yearly());
        using IHost host = await StartAsync(storage);

        string warning = Assert.Single(Warnings(host));
        Assert.Contains("InMemoryStorage", warning, StringComparison.Ordinal);
        Assert.Contains(": " + string.Join(", ", Enumerable.Range(10, 10).Select(i => $"nightly-{i}")) + " and 2 more. Set MinHold", warning, StringComparison.Ordinal);
        await RunAsync(storage, "nightly-10");
        Assert.Single(Warnings(host));
        await host.StopAsync();
    }

    [Fact]
    public async Task Recurring_jobs_that_are_added_after_the_start_cause_one_warning_when_the_first_of_them_runs()
    {
        using InMemoryStorage storage = new();
        using IHost host = await StartAsync(storage);
        Assert.Empty(Warnings(host));
        RecurringJobManager recurring = new(storage);
        recurring.AddOrUpdate<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None), Cron.Yearly());
        recurring.AddOrUpdate<Work>("weekly", w => w.Auto("x", "weekly", CancellationToken.None), Cron.Yearly());

        await RunAsync(storage, "nightly");
        await RunAsync(storage, "weekly");

        Assert.Contains("nightly, weekly", Assert.Single(Warnings(host)), StringComparison.Ordinal);
        await host.StopAsync();
    }

    [Theory]
    [InlineData(Storages.InMemory, true, true)]
    [InlineData(Storages.Sqlite, true, true)]
    [InlineData(Storages.Redis, true, false)]
    [InlineData(Storages.PostgreSql, true, false)]
    [InlineData(Storages.InMemory, false, false)]
    public void Only_shared_locks_with_a_storage_that_is_not_shared_are_worth_the_warning(Storages storages, bool sharesLocks, bool isWarned)
    {
        JobStorage storage = redis.NewStorage(storages);
        new RecurringJobManager(storage).AddOrUpdate<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None), Cron.Yearly());
        using ServiceProvider services = new ServiceCollection().AddJobLocking().UseInMemory().Services.BuildServiceProvider();
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        FakeLogger logs = new();
        LockPolicy policy = policies.Find(typeof(Work), typeof(Work).GetMethod(nameof(Work.Auto)))!;
        LockExecution execution = new()
        {
            Policy = policy,
            Name = "work:x",
            Scheduler = "Hangfire",
            Job = "Work.Auto [nightly]",
            Execution = "1",
            Origin = ExecutionOrigin.Recurring,
        };

        new UnsharedStorages(policies, sharesLocks, logs).Check(storage, execution);

        Assert.Equal(isWarned ? [2018] : [], logs.Collector.GetSnapshot().Select(log => log.Id.Id));
        (storage as IDisposable)?.Dispose();
    }

    private static IEnumerable<string> Warnings(IHost host) =>
        host.Services.GetFakeLogCollector().GetSnapshot().Where(log => log.Id.Id == 2018).Select(log => log.Message);

    private static Task RunAsync(JobStorage storage, string recurringJobId)
    {
        string job = new RecurringJobManager(storage).TriggerJob(recurringJobId);
        return Eventually.IsTrueAsync(() => storage.GetMonitoringApi().JobDetails(job).History[0].StateName == "Succeeded");
    }

    private async Task<IHost> StartAsync(JobStorage storage)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });
        builder.Services.AddFakeLogging();
        builder.Services.AddSingleton<JobProbes>();
        builder.Services.AddSingleton(storage);
        builder.Services.AddJobLocking().UseRedis(o => (o.Configuration, o.KeyPrefix) = (redis.ConnectionString, $"{Guid.NewGuid():N}:"));
        builder.Services.AddSingleton<IHostedService>(sp => new BackgroundJobServerHostedService(
            storage,
            new BackgroundJobServerOptions
            {
                WorkerCount = 1,
                Activator = new AspNetCoreJobActivator(sp.GetRequiredService<IServiceScopeFactory>()),
                SchedulePollingInterval = TimeSpan.FromMilliseconds(50),
            }.UseTaskLocks(sp),
            []));
        IHost host = builder.Build();
        await host.StartAsync();
        return host;
    }
}
