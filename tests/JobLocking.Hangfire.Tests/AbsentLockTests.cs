using Hangfire;
using Hangfire.Client;
using Hangfire.Common;
using Hangfire.InMemory;
using Hangfire.Server;
using Hangfire.States;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// A server of a host that would run jobs without their locks. The class runs alone, because the registrations belong to the process.
/// </summary>
[Collection(nameof(RegistrationTests))]
public sealed class AbsentLockTests : IDisposable
{
    private const string OfServer = "Fix: services.AddHangfireServer((sp, options) => options.UseTaskLocks(sp))";

    private readonly FakeLogCollector _logs = new();

    public void Dispose()
    {
        GlobalJobFilters.Filters.Remove<ProcessFilter>();
        _logs.Clear();
    }

    public static TheoryData<string, Action<IServiceCollection>, string, string> Refused => new()
    {
        {
            "a filter provider of the server",
            s => s.AddHangfire(Locked).AddHangfireServer(o => o.FilterProvider = Others()),
            "A Hangfire server has a FilterProvider of its own",
            OfServer
        },
        {
            "a filter provider of the server, which stays in force",
            s => s.AddHangfire(Locked).AddHangfireServer(o => o.FilterProvider = Others()).AddHangfireTaskLocks(),
            "A Hangfire server has a FilterProvider of its own",
            OfServer
        },
        {
            "a filter provider in the container, before",
            s => s.AddSingleton<IJobFilterProvider>(Others()).AddHangfire(Locked).AddHangfireServer(),
            "The container has an IJobFilterProvider of its own",
            OfServer
        },
        {
            "a filter provider in the container, after",
            s => s.AddHangfire(Locked).AddHangfireServer().AddSingleton<IJobFilterProvider>(Others()),
            "The container has an IJobFilterProvider of its own",
            OfServer
        },
        {
            "no UseTaskLocks",
            s => s.AddHangfire(Unlocked).AddHangfireServer(),
            "its configuration does not call UseTaskLocks with the services of this host.",
            "Fix: services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp))"
        },
        {
            "AddHangfire twice",
            s => s.AddHangfire(Locked).AddHangfire(Unlocked).AddHangfireServer(),
            "AddHangfire is called 2 times, and only the last configuration counts.",
            "Fix: services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp))"
        },
        {
            "filters that were cleared",
            s => s.AddHangfire((sp, configuration) =>
            {
                Locked(sp, configuration);
                GlobalJobFilters.Filters.Remove<ProcessFilter>();
            }).AddHangfireServer(),
            "GlobalJobFilters was cleared after UseTaskLocks was called.",
            "Fix: Call UseTaskLocks after GlobalJobFilters.Filters.Clear()."
        },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public async Task A_host_whose_servers_lack_the_filter_does_not_start(string what, Action<IServiceCollection> register, string why, string fix)
    {
        _ = what;
        using IHost host = Host(register);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync(TestContext.Current.CancellationToken));

        Assert.StartsWith("Jobs would run without their locks: ", error.Message, StringComparison.Ordinal);
        Assert.Equal(10, error.Message.Split(" (lock '").Length - 1);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.Contains(fix, error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Action<IServiceCollection>, int, string> WarnedAbout => new()
    {
        {
            "one server of two",
            s => s.AddHangfire(Unlocked).AddHangfireServer((sp, o) => o.UseTaskLocks(sp)).AddHangfireServer(),
            2025,
            "UseTaskLocks was called for another server"
        },
        {
            "services that ignore the filters of the options",
            s => s.AddHangfire(Unlocked).AddHangfireServer((sp, o) => o.UseTaskLocks(sp))
                .AddSingleton<IBackgroundJobFactory>(_ => new BackgroundJobFactory())
                .AddSingleton<IBackgroundJobStateChanger>(_ => new BackgroundJobStateChanger())
                .AddSingleton<IBackgroundJobPerformer>(_ => new BackgroundJobPerformer()),
            2025,
            "a Hangfire server ignores the filters of its options"
        },
        {
            "a performer of the user, which stays in force",
            s => s.AddHangfire(Unlocked).AddHangfireServer((sp, o) => o.UseTaskLocks(sp))
                .AddSingleton<IBackgroundJobPerformer>(_ => new BackgroundJobPerformer())
                .AddHangfireTaskLocks(),
            2025,
            "An IBackgroundJobPerformer of your own is registered in the container"
        },
        {
            "a server that is made by hand",
            s => s.AddHangfire(Unlocked).AddHangfireServer((IServiceProvider _) => (IBackgroundProcessingServer)new NoServer()),
            1147,
            "its configuration does not call UseTaskLocks with the services of this host."
        },
    };

    [Theory]
    [MemberData(nameof(WarnedAbout), DisableDiscoveryEnumeration = true)]
    public async Task A_host_warns_where_it_cannot_tell_whether_jobs_lack_the_filter(string what, Action<IServiceCollection> register, int id, string why)
    {
        _ = what;
        using IHost host = Host(register);

        await host.StartAsync(TestContext.Current.CancellationToken);

        FakeLogRecord said = Assert.Single(_logs.GetSnapshot(), r => r.Id.Id is 2025 or 1147);
        Assert.Equal((id, LogLevel.Warning), (said.Id.Id, said.Level));
        Assert.StartsWith("Jobs may run without their locks: ", said.Message, StringComparison.Ordinal);
        Assert.Contains(why, said.Message, StringComparison.Ordinal);
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_server_with_filters_of_its_own_and_ours_among_them_starts_without_a_warning_and_lists_its_locks()
    {
        using IHost host = Host(s => s.AddHangfire(Unlocked).AddHangfireServer((sp, options) =>
        {
            options.FilterProvider = Others();
            options.UseTaskLocks(sp);
        }));

        await host.StartAsync(TestContext.Current.CancellationToken);

        Assert.DoesNotContain(_logs.GetSnapshot(), r => r.Id.Id is 2025 or 1147);
        FakeLogRecord said = Assert.Single(_logs.GetSnapshot(), r => r.Id.Id == 1145);
        Assert.Contains(
            $"  'of-the-class' of {typeof(OnClass)}: Hangfire, no job has used it yet; Expire = 60, OnConflict = Auto{Environment.NewLine}",
            said.Message,
            StringComparison.Ordinal);
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    private static JobFilterCollection Others() => new JobFilterCollection { new AutomaticRetryAttribute { Attempts = 3 } };

    private static void Locked(IServiceProvider services, IGlobalConfiguration configuration) =>
        configuration.UseStorage(new InMemoryStorage()).UseTaskLocks(services);

    private static void Unlocked(IServiceProvider services, IGlobalConfiguration configuration) => configuration.UseStorage(new InMemoryStorage());

    private IHost Host(Action<IServiceCollection> register)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "tests" });

        // Registered as an instance: Hangfire keeps it for the whole process, so the container must not dispose of it.
        builder.Services.AddSingleton<ILoggerFactory>(new LoggerFactory([new FakeLoggerProvider(_logs)]));
        builder.Services.AddJobLocking().UseInMemory();
        register(builder.Services);
        return builder.Build();
    }

    /// <summary>Stands for a server that the user creates.</summary>
    private sealed class NoServer : IBackgroundProcessingServer
    {
        public void SendStop()
        {
        }

        public bool WaitForShutdown(TimeSpan timeout) => true;

        public Task WaitForShutdownAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose()
        {
        }
    }
}
