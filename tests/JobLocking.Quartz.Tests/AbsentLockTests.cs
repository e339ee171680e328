using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>A lock that would silently be absent: on a class that the scheduler does not see, or in a scheduler without locks.</summary>
public sealed class AbsentLockTests(SharedRedis redis)
{
    [Fact]
    public async Task A_job_whose_type_is_abstract_or_an_interface_has_the_lock_of_the_class_that_the_container_creates()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Services = s => s.AddTransient<Export, CsvExport>().AddTransient<IReport, Report>().AddTransient<Import, LockedImport>();
            n.Quartz = q => q.AddJob<Export>(j => j.WithIdentity("at start").StoreDurably());
        });

        await a.FireAsync<Export>("abstract");
        await a.FireAsync<IReport>("interface");
        await a.FireAsync<Import>("base");
        await a.Firings.EndedAsync(3);

        Assert.Equal(["export", "import", "report"], a.Store.Asked.Select(r => r.Name).Order());
        string[] locks = Assert.Single(a.Logs.Of(1145)).Text.Split(Environment.NewLine);
        Assert.Contains($"  'export' of {typeof(CsvExport)}: Quartz/QuartzScheduler; Expire = 60, OnConflict = Auto", locks);
        Assert.Contains($"  'report' of {typeof(Report)}: Quartz, no job has used it yet; Expire = 60, OnConflict = Auto", locks);
    }

    [Fact]
    public async Task A_lock_on_the_method_of_a_delegate_job_stops_the_host()
    {
        await using Cluster cluster = new(redis);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(
            () => cluster.StartAsync("a", n => n.Quartz = q => q.ScheduleJob("nightly", Delegated.Run, t => t.StartNow())));

        Assert.StartsWith(
            $"Lock 'of the delegate' of job DEFAULT.nightly: [TaskLock] is on the method of a delegate job, {typeof(Delegated)}.Run, where it has no effect.",
            error.Message,
            StringComparison.Ordinal);
        Assert.EndsWith(
            "Fix: q.AddTaskLocks(o => o.ForJob(new JobKey(\"nightly\", \"DEFAULT\"), new TaskLockAttribute(\"of the delegate\"))).", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrapper_of_a_job_with_a_lock_and_a_scheduler_without_AddTaskLocks_cause_warnings()
    {
        await using Cluster cluster = new(redis);

        Node a = await cluster.StartAsync("a", n =>
        {
            n.Quartz = q => q.AddJob<Wrapper<LockedJob>>(j => j.WithIdentity("wrapped").StoreDurably());
            n.Services = s => s.AddQuartz("unlocked", q => q
                .AddJob<LockedJob>(j => j.WithIdentity("locked").StoreDurably())
                .AddJob<WorkJob>(j => j.WithIdentity("free").StoreDurably()));
        });

        Assert.Contains(
            $"Job DEFAULT.wrapped of scheduler QuartzScheduler has no lock: its type {typeof(Wrapper<LockedJob>)} has none, and lock 'inner' of {typeof(LockedJob)} has no effect there",
            Assert.Single(a.Logs.Of(3026)).Text,
            StringComparison.Ordinal);
        (LogLevel level, string text) = Assert.Single(a.Logs.Of(3025));
        Assert.Equal(LogLevel.Warning, level);
        Assert.Contains("Scheduler unlocked has jobs that would run without their locks: DEFAULT.locked (lock 'inner'). ", text, StringComparison.Ordinal);
        Assert.Contains("Fix: services.AddQuartz(\"unlocked\", q => q.AddTaskLocks())", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_whose_schedulers_all_lack_AddTaskLocks_does_not_start()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddJobLocking().UseInMemory();
        builder.Services.AddQuartz(_ => { });
        builder.Services.AddQuartzHostedService();
        using IHost host = builder.Build();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync(Token));

        Assert.Contains("This host runs a Quartz scheduler, but its configuration does not call AddTaskLocks.", error.Message, StringComparison.Ordinal);
        Assert.Contains("(lock 'export')", error.Message, StringComparison.Ordinal);
    }

    internal abstract class Export : IJob
    {
        public abstract ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default);
    }

    [TaskLock("export")]
    internal sealed class CsvExport(Journal journal) : Export
    {
        public override ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken);
    }

    internal interface IReport : IJob;

    [TaskLock("report")]
    internal sealed class Report(Journal journal) : IReport
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    internal class Import(Journal journal) : IJob
    {
        public virtual ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken);
    }

    internal sealed class LockedImport(Journal journal) : Import(journal)
    {
        [TaskLock("import")]
        public override ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => base.Execute(context, cancellationToken);
    }

    [TaskLock("inner")]
    internal sealed class LockedJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    internal sealed class Wrapper<TJob>(TJob inner) : IJob
        where TJob : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => inner.Execute(context, cancellationToken);
    }

    internal static class Delegated
    {
        [TaskLock("of the delegate")]
        public static void Run()
        {
        }
    }
}
