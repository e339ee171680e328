using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Which firings <see cref="LockConflict.Auto"/> skips because of a holder, and which occurrences are the same.</summary>
public sealed class SameJobTests(SharedRedis redis)
{
    private const int OtherApplication = 1105;

    private static readonly TaskLockAttribute Lock = new("vendor-api") { DeferBy = 1 };

    [Fact]
    public async Task The_job_of_another_tenants_scheduler_is_deferred()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, "tenant-a"));
        Node b = await cluster.StartAsync("pod-2", n => Scheduled(n, "tenant-b"));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        await b.FireRecurringAsync();

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        cluster.Journal.LetAllEnd();
        Assert.Equal("tenant-b", (await cluster.Journal.BegunAsync(2)).Scheduler);
    }

    [Fact]
    public async Task The_job_of_another_tenants_scheduler_is_deferred_while_the_lock_is_kept_after_the_first()
    {
        await using Cluster cluster = new(redis);
        TaskLockAttribute kept = new("vendor-api") { MinHold = 60, DeferBy = 1 };
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, "tenant-a", kept));
        Node b = await cluster.StartAsync("pod-2", n => Scheduled(n, "tenant-b", kept));
        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        await b.FireRecurringAsync();

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        Assert.Contains("kept for its minimum hold", ended.Report!.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schedulers_that_are_named_after_their_nodes_are_one()
    {
        await using Cluster cluster = new(redis);
        string[] pods = ["pod-1", "pod-2", "pod-3"];
        Node[] nodes = await Task.WhenAll(pods.Select(pod => cluster.StartAsync(
            pod, n => Scheduled(n, $"jobs-{Environment.MachineName.ToUpperInvariant()}-{pod}"))));
        cluster.Journal.HoldFirst();
        await nodes[0].FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        foreach (Node node in nodes[1..])
        {
            await node.FireRecurringAsync();
            Firings.Ended ended = await node.Firings.EndedAsync(1);
            Assert.True(ended.IsSkipped, $"{ended}");
        }

        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_scheduler_is_the_same_installation_alongside_another_one_and_the_other_is_not()
    {
        await using Cluster cluster = new(redis);
        Firings ofReports = new("reports");
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, "jobs"));
        Node b = await cluster.StartAsync("pod-2", n =>
        {
            Scheduled(n, "jobs");
            n.Services = s => s.AddQuartz("reports", q => q.AddTaskLocks(o => o.ForJob(new JobKey(Work.Name), Lock)).AddJobListener(ofReports));
        });
        IScheduler reports = await b.Services.GetRequiredKeyedService<ISchedulerFactory>("reports").GetScheduler(Token);
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        await b.FireRecurringAsync();
        await reports.ScheduleJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).Build(), Recurring().Build(), cancellationToken: Token);

        Firings.Ended same = await b.Firings.EndedAsync(1);
        Firings.Ended other = await ofReports.EndedAsync(1);
        Assert.True(same.IsSkipped, $"{same}");
        Assert.True(other.IsDeferred, $"{other}");
    }

    /// <summary>What differs in a job with the same key, and whether it is nevertheless the same job.</summary>
    public static TheoryData<string, bool> Jobs => new() { { "nothing", true }, { "class", false }, { "data", false }, { "object", false }, { "input", false } };

    [Theory]
    [MemberData(nameof(Jobs))]
    public async Task A_job_with_the_same_key_is_the_same_if_its_class_and_data_are(string own, bool same)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, scheduler: null));
        Node b = await cluster.StartAsync("pod-2", n => Scheduled(n, scheduler: null));
        cluster.Journal.HoldFirst();
        await FireAsync<WorkJob>(a, own == "object" ? own : "nothing");
        await cluster.Journal.BegunAsync(1);

        await (own == "class" ? FireAsync<OtherJob>(b, own) : FireAsync<WorkJob>(b, own));

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(same ? ended.IsSkipped : ended.IsDeferred, $"{ended}");

        static Task FireAsync<TJob>(Node node, string own)
            where TJob : IJob => node.FireAsync<TJob>(
                Work.Name,
                t => t.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
                j => j.UsingJobData(DataWith(own)));
    }

    [Fact]
    public async Task The_data_that_a_job_keeps_from_run_to_run_is_not_part_of_its_identity()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, scheduler: null));
        Node b = await cluster.StartAsync("pod-2", n => Scheduled(n, scheduler: null));
        cluster.Journal.HoldFirst();
        await FireAsync(a, lastRun: "never");
        await cluster.Journal.BegunAsync(1);

        await FireAsync(b, lastRun: "yesterday");

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsSkipped, $"{ended}");

        static Task FireAsync(Node node, string lastRun) => node.FireAsync<KeepingJob>(
            Work.Name,
            t => t.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever()),
            j => j.UsingJobData("last run", lastRun));
    }

    [Fact]
    public async Task A_manual_run_with_data_of_its_own_is_other_work_than_the_scheduled_run()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("pod-1", n => Scheduled(n, scheduler: null));
        cluster.Journal.HoldFirst();
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).StoreDurably().Build(), cancellationToken: Token);
        await a.Scheduler.TriggerJob(new JobKey(Work.Name), new JobDataMap { ["region"] = "us" }, cancellationToken: Token);
        await cluster.Journal.BegunAsync(1);

        await a.Scheduler.ScheduleJob(Recurring().ForJob(Work.Name).Build(), cancellationToken: Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
    }

    [Fact]
    public async Task An_occurrence_belongs_to_its_scheduler()
    {
        await using Cluster cluster = new(redis);
        DateTimeOffset at = Node.InAMoment();
        TaskLockAttribute once = new("vendor-api") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1 };
        string[] schedulers = ["tenant-a", "tenant-b", "jobs-pod-3", "jobs-pod-4"];
        Node[] nodes = await Task.WhenAll(schedulers.Select((scheduler, i) => cluster.StartAsync($"pod-{i + 1}", n => Scheduled(n, scheduler, once))));

        foreach (Node node in nodes)
        {
            await node.FireScheduledAsync(at);
        }

        foreach (Node node in nodes)
        {
            await node.Firings.EndedAsync(e => e.IsRun || e.IsSkipped);
        }

        Assert.Equal(["jobs-pod", "tenant-a", "tenant-b"], cluster.Journal.Runs.Select(r => r.Scheduler.TrimEnd('3', '4').TrimEnd('-')).Order());
    }

    [Fact]
    public async Task An_occurrence_belongs_to_its_application_and_its_environment()
    {
        await using Cluster cluster = new(redis);
        DateTimeOffset at = Node.InAMoment();
        TaskLockAttribute once = new("vendor-api") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1 };
        Node billing = await cluster.StartAsync("pod-1", n => Scheduled(n, scheduler: null, once));
        Node shop = await cluster.StartAsync("pod-2", n =>
        {
            Scheduled(n, scheduler: null, once);
            n.Services = s => s.Configure<JobLockingOptions>(o => o.ApplicationName = "shop");
        });
        Node staging = await cluster.StartAsync("pod-3", n =>
        {
            Scheduled(n, scheduler: null, once);
            n.Environment = "Staging";
        });

        await Task.WhenAll(
            FireAsync<WorkJob>(billing),
            FireAsync<OtherJob>(shop),
            FireAsync<WorkJob>(staging));

        await Task.WhenAll(new[] { billing, shop, staging }.Select(node => node.Firings.EndedAsync(e => e.IsRun)));
        Assert.Equal(3, cluster.Journal.Runs.Count);

        Task FireAsync<TJob>(Node node)
            where TJob : IJob => node.FireAsync<TJob>(
                Work.Name, t => t.StartAt(at).WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour)));
    }

    [Fact]
    public async Task A_job_is_not_skipped_for_the_same_job_in_another_environment_and_the_log_names_it()
    {
        await using Cluster cluster = new(redis);
        Node staging = await cluster.StartAsync("pod-1", n =>
        {
            Scheduled(n, scheduler: null);
            n.Environment = "Staging";
        });
        Node production = await cluster.StartAsync("pod-2", n => Scheduled(n, scheduler: null));
        cluster.Journal.HoldFirst();
        await staging.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        await production.FireRecurringAsync();

        Firings.Ended ended = await production.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        Assert.Contains("tests (Staging) on pod-1", Assert.Single(production.Logs.Of(OtherApplication)).Text, StringComparison.Ordinal);
    }

    private static void Scheduled(NodeOptions node, string? scheduler, TaskLockAttribute? taskLock = null)
    {
        node.Scheduler = scheduler;
        node.Lock(taskLock ?? Lock);
    }

    private static JobDataMap DataWith(string own)
    {
        JobDataMap data = new()
        {
            ["region"] = own == "data" ? "us" : "eu",
            ["count"] = 17,
            ["at"] = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
        };
        if (own is "object" or "input")
        {
            data[own == "input" ? SchedulerConstants.JobInput : own] = own == "input" ? "17" : new[] { 17 };
        }

        return data;
    }

    private static TriggerBuilder<IJob> Recurring() =>
        TriggerBuilder.Create().WithIdentity("hourly").StartNow().WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());

    internal sealed class OtherJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    [PersistJobDataAfterExecution]
    [DisallowConcurrentExecution]
    internal sealed class KeepingJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }
}
