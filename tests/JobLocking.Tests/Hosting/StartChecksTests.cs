using System.Reflection;
using System.Reflection.Emit;
using Hangfire;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Quartz;
using Xunit;

namespace JobLocking.Tests.Hosting;

/// <summary>What a host reports at start about locks that no scheduler would take.</summary>
public sealed class StartChecksTests
{
    [TaskLock("hidden-class")]
    public sealed class Hiding
    {
        [TaskLock("hiding-method")]
        public void Run()
        {
        }
    }

    [TaskLock("marker")]
    internal interface IMarker;

    internal sealed class Marked : IJob, IMarker;

    [Fact]
    public void A_lock_on_a_contract_of_Quartz_jobs_is_for_Quartz()
    {
        using IHost host = Host(_ => { });

        LockedJob marker = host.Services.GetRequiredService<LockPolicies>().Jobs.Single(job => job.Type == typeof(IMarker));

        Assert.True(marker.IsForQuartz);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_with_a_Hangfire_server_and_no_adapter_does_not_start(bool derived)
    {
        using IHost host = Host(services => _ = derived
            ? services.AddHostedService<DerivedServerHostedService>()
            : services.AddTransient<IHostedService, BackgroundJobServerHostedService>(_ => new BackgroundJobServerHostedService()));

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync());

        Assert.StartsWith("Jobs would run without their locks: ", error.Message, StringComparison.Ordinal);
        Assert.Equal(10, error.Message.Split(" (lock '").Length - 1);
        Assert.Matches(" and [0-9]+ more\\. This host runs a Hangfire server, but its configuration does not call UseTaskLocks with the services of this host\\.", error.Message);
        Assert.DoesNotContain("of-quartz", error.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp))", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configuration_of_Hangfire_that_replaces_another_is_named_as_the_cause()
    {
        using IHost host = Host(services => services
            .AddSingleton<IGlobalConfiguration>(_ => null!)
            .AddSingleton<IGlobalConfiguration>(_ => null!)
            .AddHostedService<BackgroundJobServerHostedService>());

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync());

        Assert.Contains("AddHangfire is called 2 times, and only the last configuration counts.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Hangfire_server_created_in_code_without_an_adapter_causes_a_warning()
    {
        using IHost host = Host(services => services.AddHostedService<BackgroundProcessingServerHostedService>());

        await host.StartAsync();

        string said = Assert.Single(Logged(host, EventIds.AdapterMissing));
        Assert.StartsWith("Jobs may run without their locks: ", said, StringComparison.Ordinal);
        await host.StopAsync();
    }

    [Fact]
    public async Task A_host_with_a_Quartz_scheduler_and_no_adapter_does_not_start()
    {
        using IHost host = Host(services => services.AddHostedService<QuartzHostedService>());

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync());

        Assert.Equal(
            $"Jobs would run without their locks: Quartz.QuartzJob (lock 'of-quartz'), {typeof(IMarker)} (lock 'marker'). This host runs a Quartz scheduler, but its configuration does not call AddTaskLocks. Fix: services.AddQuartz(q => q.AddTaskLocks()), from the package JobLocking.Quartz. It costs nothing in a scheduler without these jobs.",
            error.Message);
    }

    [Fact]
    public async Task A_host_without_a_server_starts_and_says_which_scheduler_each_lock_is_for()
    {
        using IHost host = Host(_ => { });

        await host.StartAsync();

        string[] lines = Assert.Single(Logged(host, EventIds.Locks)).Split(Environment.NewLine);
        Assert.Equal("The locks of this process:", lines[0]);
        Assert.Contains(
            "  'of-quartz' of Quartz.QuartzJob: no job has used it yet (no adapter for Quartz in this process); Expire = 60, Limit = 2, OnConflict = Auto, OnUnavailable = Fail",
            lines);
        Assert.Empty(Logged(host, EventIds.AdapterMissing));
        await host.StopAsync();
    }

    [Fact]
    public async Task An_adapter_is_called_at_the_start_and_at_the_end()
    {
        Adapter adapter = new("Quartz");
        using (IHost host = Host(services => services.AddHostedService<QuartzHostedService>()))
        {
            LockAdapters adapters = host.Services.GetRequiredService<LockAdapters>();
            Assert.Same(adapter, adapters.GetOrAdd(() => adapter));
            Assert.Same(adapter, adapters.GetOrAdd(() => new Adapter("another")));
            LockPolicies policies = host.Services.GetRequiredService<LockPolicies>();
            adapters.Use(policies.Find(typeof(QuartzJob), null)!, "Quartz/b");
            adapters.Use(policies.Find(typeof(QuartzJob), null)!, "Quartz/a");
            adapters.Use(policies.Resolve(new TaskLockAttribute("by-key"), "group.key"), "Quartz/a");

            await host.StartAsync();

            Assert.True(adapter.WasAsked);
            string said = Assert.Single(Logged(host, EventIds.Locks));
            Assert.Contains("'of-quartz' of Quartz.QuartzJob: Quartz/a, Quartz/b; ", said, StringComparison.Ordinal);
            Assert.Contains("'by-key' of group.key: Quartz/a; ", said, StringComparison.Ordinal);
            await host.StopAsync();
            Assert.False(adapter.HasEnded);
        }

        Assert.True(adapter.HasEnded);
    }

    [Fact]
    public async Task A_lock_of_a_method_that_hides_the_lock_of_its_class_causes_a_warning()
    {
        using IHost host = Host(_ => { });

        await host.StartAsync();

        string said = Assert.Single(Logged(host, EventIds.LockHidden));
        Assert.Contains($"'hiding-method' on {typeof(Hiding)}.Run hides 'hidden-class' on {typeof(Hiding)}", said, StringComparison.Ordinal);
        await host.StopAsync();
    }

    [Fact]
    public void A_lock_on_a_lambda_is_refused()
    {
        ModuleBuilder module = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("lambdas"), AssemblyBuilderAccess.RunAndCollect).DefineDynamicModule("m");
        TypeBuilder type = module.DefineType("Closure", TypeAttributes.Public);
        MethodBuilder lambda = type.DefineMethod("<Main>b__0_0", MethodAttributes.Public | MethodAttributes.Static, typeof(void), []);
        lambda.GetILGenerator().Emit(OpCodes.Ret);
        lambda.SetCustomAttribute(new CustomAttributeBuilder(typeof(TaskLockAttribute).GetConstructor([typeof(string)])!, ["lambda"]));
        type.CreateType();
        using ServiceProvider services = new ServiceCollection().AddJobLocking().Services.BuildServiceProvider();

        string problem = Assert.Single(new LockPolicies(services.GetRequiredService<IOptions<JobLockingOptions>>(), [module.Assembly]).Problems());

        Assert.StartsWith("[TaskLock] is on a lambda or a local function in Closure", problem, StringComparison.Ordinal);
        Assert.Contains("q.AddTaskLocks(o => o.ForJob(new JobKey(", problem, StringComparison.Ordinal);
    }

    private static string[] Logged(IHost host, int id) =>
        [.. host.Services.GetFakeLogCollector().GetSnapshot().Where(r => r.Id.Id == id).Select(r => r.Message)];

    private static IHost Host(Action<IServiceCollection> register)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "start-tests" });
        builder.Services.AddFakeLogging();
        builder.Services.AddJobLocking().UseInMemory();
        register(builder.Services);
        return builder.Build();
    }

    private sealed class Adapter(string scheduler) : ILockAdapter
    {
        public string Scheduler => scheduler;

        public bool WasAsked { get; private set; }

        public bool HasEnded { get; private set; }

        public ValueTask CheckAsync(CancellationToken cancellationToken)
        {
            WasAsked = true;
            return default;
        }

        public void End() => HasEnded = true;
    }
}
