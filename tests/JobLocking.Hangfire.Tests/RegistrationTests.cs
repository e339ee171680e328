using System.Reflection;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using JobLocking.Policy;
using JobLocking.TestKit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>The class runs alone: Hangfire's configuration and global filters belong to the process.</summary>
[CollectionDefinition(nameof(RegistrationTests), DisableParallelization = true)]
[Collection(nameof(RegistrationTests))]
public sealed class RegistrationTests(SharedRedis redis) : IDisposable
{
    public void Dispose() => GlobalJobFilters.Filters.Remove<ProcessFilter>();

    [Fact]
    public async Task One_line_in_the_configuration_of_Hangfire_locks_the_jobs_of_a_host()
    {
        await using Cluster cluster = redis.NewCluster();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });

        // Otherwise Hangfire would keep this host's loggers for the whole process, longer than the host lives.
        builder.Services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance);
        builder.Services.AddSingleton(cluster.Probes);
        cluster.AddLocks(builder.Services, null);
        builder.Services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp).UseStorage(cluster.Storage));
        builder.Services.AddHangfireServer();
        using IHost host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);

        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Auto("x", "locked", CancellationToken.None)));

        Assert.Equal(["work:x", "work:x"], cluster.Probes["locked"].Locks);
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Registered_several_times_there_is_one_filter_for_the_process()
    {
        using ServiceProvider first = Services();
        using ServiceProvider second = Services();

        GlobalConfiguration.Configuration.UseTaskLocks(first).UseTaskLocks(first);
        GlobalConfiguration.Configuration.UseTaskLocks(second);

        JobFilter filter = Assert.Single(GlobalJobFilters.Filters, f => f.Instance is TaskLockFilter or ProcessFilter);
        Assert.Same(ProcessFilter.Instance, filter.Instance);
        Assert.Equal(-1000, filter.Order);
        Assert.Equal(int.MaxValue, Assert.Single(GlobalJobFilters.Filters, f => f.Instance is JobSpanFilter).Order);
    }

    [Fact]
    public async Task The_filter_of_a_server_wins_over_the_one_of_the_process()
    {
        await using Cluster cluster = redis.NewCluster();
        using ServiceProvider other = Services();
        GlobalConfiguration.Configuration.UseTaskLocks(other);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "deferred", CancellationToken.None));

        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): lock 'work:x' is held by tests on a");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_execution_that_passes_two_filters_takes_its_lock_once(bool sameInstance)
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a", filters: (own, services) =>
            new KeepsBoth(own, sameInstance ? own.GetFilters(null).Select(f => f.Instance).OfType<TaskLockFilter>().Single() : TaskLockFilter.Create(services)));
        JobProbe probe = cluster.Probes["twice"];
        probe.Hold();

        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "twice", CancellationToken.None));

        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        Assert.Single(await a.HeldAsync());
        probe.Release();
        await cluster.SucceedsAsync(job);
        Assert.Equal(["Succeeded", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        Assert.Empty(await a.HeldAsync());
    }

    [Fact]
    public void Without_JobLocking_the_registration_names_the_fix()
    {
        using ServiceProvider services = new ServiceCollection().BuildServiceProvider();

        TaskLockException error = Assert.Throws<TaskLockException>(() => GlobalConfiguration.Configuration.UseTaskLocks(services));

        Assert.Contains("AddJobLocking()", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(GlobalJobFilters.Filters, f => f.Instance is TaskLockFilter or ProcessFilter);
    }

    [Fact]
    public void A_placeholder_that_no_parameter_has_stops_the_registration()
    {
        using ServiceProvider services = Services(o => o.ForJob<ThirdParty>(nameof(ThirdParty.Report), new TaskLockAttribute("reports:{client}:{0}:{1}")));

        TaskLockException error = Assert.Throws<TaskLockException>(() => new BackgroundJobServerOptions().UseTaskLocks(services));

        Assert.Equal(
            [
                $"Lock 'reports:{{client}}:{{0}}:{{1}}' of job {typeof(ThirdParty)}.Report: Name has the placeholder {{client}}, but the method has no such parameter. Fix: use {{tenant}} or {{0}}, or write {{{{ for a literal brace.",
                $"Lock 'reports:{{client}}:{{0}}:{{1}}' of job {typeof(ThirdParty)}.Report: Name has the placeholder {{1}}, but the method has no such parameter. Fix: use {{tenant}} or {{0}}, or write {{{{ for a literal brace.",
            ],
            error.Message.Split(Environment.NewLine));
    }

    public static TheoryData<string, string, string> WhatStopsAHost => new()
    {
        { "Locks:0:Exipre", "300", "Exipre" },
        { "Expire", "0", "Expire is 0, but must be at least 1 second" },
        { "NodeName", " ", "NodeName is empty" },
        { "OccurrenceRetention", "5", "OccurrenceRetention is 5" },
    };

    [Theory]
    [MemberData(nameof(WhatStopsAHost))]
    public void Without_a_host_the_registration_refuses_what_a_host_would(string property, string value, string said)
    {
        ConfigurationManager configuration = new();
        configuration["JobLocking:Locks:0:Name"] = "work:{key}";
        configuration[$"JobLocking:{property}"] = value;
        using ServiceProvider services = Services(null, s => s.AddSingleton<IConfiguration>(configuration));

        TaskLockException ofServer = Assert.Throws<TaskLockException>(() => new BackgroundJobServerOptions().UseTaskLocks(services));
        TaskLockException ofProcess = Assert.Throws<TaskLockException>(() => GlobalConfiguration.Configuration.UseTaskLocks(services));

        Assert.Contains(said, ofServer.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: ", ofServer.Message, StringComparison.Ordinal);
        Assert.Equal(ofServer.Message, ofProcess.Message);
        Assert.DoesNotContain(GlobalJobFilters.Filters, f => f.Instance is TaskLockFilter or ProcessFilter);
    }

    [Fact]
    public void Without_a_host_a_lock_that_is_declared_wrongly_stops_the_registration()
    {
        using ServiceProvider services = Services(o => o.ForJob<ThirdParty>(new TaskLockAttribute("third") { Expire = 5, MinHold = 6 }));

        TaskLockException error = Assert.Throws<TaskLockException>(() => new BackgroundJobServerOptions().UseTaskLocks(services));

        Assert.Contains($"Lock 'third' of job {typeof(ThirdParty)}: MinHold is 6", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_host_a_missing_store_and_a_wrong_one_stop_the_registration()
    {
        using ServiceProvider none = new ServiceCollection().AddJobLocking().Services.BuildServiceProvider();
        using ServiceProvider wrong = new ServiceCollection().AddJobLocking().UseRedis("localhost:6379,noSuchOption=1").Services.BuildServiceProvider();

        TaskLockException missing = Assert.Throws<TaskLockException>(() => new BackgroundJobServerOptions().UseTaskLocks(none));
        OptionsValidationException refused = Assert.Throws<OptionsValidationException>(() => new BackgroundJobServerOptions().UseTaskLocks(wrong));

        Assert.Contains("has no store", missing.Message, StringComparison.Ordinal);
        Assert.Contains("noSuchOption", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Hidden", true)]
    [InlineData("JobLocking.Hangfire.Tests.IUndecorated.Explicitly", false)]
    [InlineData(nameof(Undecorated.Openly), false)]
    public void A_lock_on_a_method_that_cannot_be_a_job_is_refused_at_start(string name, bool isRefused)
    {
        using ServiceProvider services = Services();
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        MethodInfo method = typeof(Undecorated).GetMethod(name, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)!;

        string[] problems = [.. StartChecks.Problems(policies, method, policies.Resolve(new TaskLockAttribute("hidden"), $"{typeof(Undecorated)}.{name}"))];

        if (!isRefused)
        {
            Assert.Empty(problems);
            return;
        }

        Assert.StartsWith($"Lock 'hidden' of job {typeof(Undecorated)}.Hidden: [TaskLock] is on a method that is not public", Assert.Single(problems), StringComparison.Ordinal);
        Assert.Contains("Fix: make the method public", problems[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_with_a_placeholder_that_no_parameter_has_does_not_start()
    {
        await using Cluster cluster = redis.NewCluster();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync(
            "a", o => o.ForJob<ThirdParty>(nameof(ThirdParty.Clean), new TaskLockAttribute("clean:{tenant}"))));

        Assert.Contains("{tenant}", error.Message, StringComparison.Ordinal);
        Assert.Empty(cluster.Storage.GetMonitoringApi().Servers());
    }

    [Fact]
    public void OncePerOccurrence_is_refused_at_start()
    {
        using ServiceProvider services = Services(o => o.ForJob<ThirdParty>(nameof(ThirdParty.Clean), new TaskLockAttribute("clean") { OncePerOccurrence = OncePerOccurrence.Always }));

        TaskLockException error = Assert.Throws<TaskLockException>(() => new BackgroundJobServerOptions().UseTaskLocks(services));

        Assert.StartsWith($"Lock 'clean' of job {typeof(ThirdParty)}.Clean: OncePerOccurrence is Always, but", error.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: leave OncePerOccurrence out", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OncePerOccurrence_fails_the_job_where_it_is_found_only_when_the_job_runs()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        string job = cluster.Client.Enqueue<Once>(o => o.Run());

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.StartsWith($"Lock 'once' of job {typeof(Once)}: OncePerOccurrence is Always, but", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, cluster.Probes["once"].Begun);
    }

    private static ServiceProvider Services(Action<JobLockingOptions>? configure = null, Action<IServiceCollection>? more = null)
    {
        ServiceCollection services = new();
        more?.Invoke(services);
        services.AddJobLocking(configure).UseInMemory();
        return services.BuildServiceProvider();
    }

    /// <summary>A provider that does not drop the second filter of a type, as Hangfire's own does.</summary>
    private sealed class KeepsBoth(IJobFilterProvider own, TaskLockFilter second) : IJobFilterProvider
    {
        public IEnumerable<JobFilter> GetFilters(Job? job) => own.GetFilters(job).Prepend(new JobFilter(second, JobFilterScope.Global, null));
    }
}
