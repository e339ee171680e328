using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class OccurrenceTests(SharedRedis redis)
{
    private static TaskLockAttribute ShortLived => new("report") { Expire = 1, DeferBy = 1 };

    private static TaskLockAttribute Once => new("report") { Expire = 5, DeferBy = 1 };

    [Theory]
    [InlineData(OncePerOccurrence.Auto)]
    [InlineData(OncePerOccurrence.Always)]
    public async Task Nodes_whose_clocks_differ_run_each_occurrence_of_a_short_job_once(OncePerOccurrence once)
    {
        const int Occurrences = 6;
        TaskLockAttribute taskLock = new("report") { OncePerOccurrence = once };
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(taskLock));
        Node b = await cluster.StartAsync("b", n =>
        {
            n.Lock(taskLock);
            n.Quartz = q => q.UseTimeProvider(new SkewedTimeProvider { Skew = TimeSpan.FromMilliseconds(30) });
        });

        DateTimeOffset start = Node.InAMoment();
        foreach (Node node in new[] { a, b })
        {
            await node.FireOnceAsync(trigger: t => t.StartAt(start).EndAt(start.AddSeconds(Occurrences - 1)).WithCronSchedule("* * * * * ?"));
        }

        await Eventually.IsTrueAsync(() => cluster.Journal.Runs.Count >= Occurrences && a.Firings.All.Count >= Occurrences && b.Firings.All.Count >= Occurrences);
        await Eventually.IsTrueAsync(async () => await DeferralsAsync(a) == 0 && await DeferralsAsync(b) == 0);

        Assert.Equal(
            Enumerable.Range(0, Occurrences).Select(i => start.AddSeconds(i)),
            a.Store.Asked.Concat(b.Store.Asked).Select(r => r.Occurrence!.ScheduledTime).Distinct().Order());
        Assert.Equal(Occurrences, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_node_stands_by_while_another_runs_the_occurrence_and_learns_that_it_is_done()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, _) = await StartTwoAsync(cluster);

        cluster.Journal.LetAllEnd();
        await a.Firings.EndedAsync(e => e.IsRun);

        Firings.Ended ended = await b.Firings.EndedAsync(e => e.IsSkipped);
        Assert.True(ended.IsReturned);
        Assert.Contains("was run by tests on a", ended.Report!.Summary, StringComparison.Ordinal);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_node_that_is_cut_off_in_the_middle_of_an_occurrence_is_replaced()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, DateTimeOffset scheduled) = await StartTwoAsync(cluster, n => n.TaskLocks = o => o.ForJob(new JobKey(Work.Name), ShortLived));

        a.Store.Cut();

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
        Assert.All(b.Store.Asked, r => Assert.Equal(scheduled, r.Occurrence!.ScheduledTime));
    }

    [Fact]
    public async Task A_node_that_shuts_down_in_the_middle_of_an_occurrence_is_replaced()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, _) = await StartTwoAsync(cluster, n =>
        {
            n.Hosted += o => o.WaitForJobsToComplete = true;
            n.Quartz = q => q.ConfigureScheduler(s => s.ShutdownJobInterruption = ShutdownJobInterruption.Always);
        });

        await a.StopAsync();

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task Whatever_a_job_throws_at_shutdown_its_occurrence_is_left_to_another_node()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, _) = await StartTwoAsync(
            cluster,
            n =>
            {
                n.Hosted += o => o.WaitForJobsToComplete = true;
                n.Quartz = q => q.ConfigureScheduler(s => s.ShutdownJobInterruption = ShutdownJobInterruption.Always);
            },
            async (_, token) =>
            {
                await ((Task)Task.Delay(Timeout.Infinite, token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw new InvalidOperationException("Operation cancelled by user.");
            });

        await a.StopAsync();

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_job_that_watches_the_host_leaves_its_occurrence_to_another_node()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, _) = await StartTwoAsync(
            cluster,
            n => n.Hosted += o => o.WaitForJobsToComplete = true,
            (node, _) => Task.Delay(Timeout.Infinite, node.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));

        await a.StopAsync();

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task Each_firing_that_a_trigger_ignoring_misfires_makes_up_for_runs_however_late()
    {
        await using Cluster cluster = new(redis);
        SkewedTimeProvider behind = new() { Skew = TimeSpan.FromMinutes(-20) };
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Once);
            n.Quartz = q => q.UseTimeProvider(behind);
        });

        GroupMatcher<TriggerKey> late = GroupMatcher<TriggerKey>.GroupEquals("late");
        await a.Scheduler.PauseTriggerGroups(late, Token);
        DateTimeOffset first = behind.GetUtcNow();
        await a.Scheduler.ScheduleJob(
            JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).Build(),
            TriggerBuilder.Create(behind).StartNow().WithIdentity("each", "late").WithCronSchedule(
                "* * * * * ?", c => c.WithMisfireInstruction(CronTriggerMisfireInstruction.IgnoreMisfires)).Build(),
            cancellationToken: Token);
        behind.Skew = TimeSpan.Zero;
        await a.Scheduler.ResumeTriggerGroups(late, Token);
        await a.Firings.EndedAsync(3);
        string failed = string.Join(", ", a.Firings.All.Where(e => e.Outcome == ExecutionOutcome.Failed));

        // More than a thousand have been missed.
        await a.Scheduler.PauseTriggerGroups(late, Token);

        Assert.Equal("", failed);
        Assert.True(a.Store.Asked.First().Occurrence!.ScheduledTime < first.AddMinutes(1));
    }

    [Fact]
    public async Task A_standby_whose_scheduler_stops_ends_quietly()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Once));
        cluster.Journal.HoldFirst();
        DateTimeOffset scheduled = Node.InAMoment();
        await a.FireScheduledAsync(scheduled);
        await cluster.Journal.BegunAsync(1);
        Task stopping = Task.CompletedTask;
        Node b = await StartBehindAsync(cluster, scheduled, node => node.Store.BeforeAnswer = _ =>
        {
            TaskCompletionSource stops = new(TaskCreationOptions.RunContinuationsAsynchronously);
            node.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(stops.SetResult);
            stopping = node.StopAsync();
            return stops.Task;
        });

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        await stopping;

        Assert.StartsWith("Skipped: the scheduler stops; ", ended.Report?.Summary, StringComparison.Ordinal);
        Assert.Empty(b.Logs.Of(3004));
        Assert.Single(b.Logs.Of(3008));
    }

    [Fact]
    public async Task An_occurrence_that_failed_is_run_again_by_its_retry_and_by_no_other_node()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Once));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        DateTimeOffset scheduled = Node.InAMoment();

        await a.FireScheduledAsync(scheduled, trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        await a.Firings.EndedAsync(1);
        Node b = await StartBehindAsync(cluster, scheduled);
        await a.Firings.EndedAsync(e => e.IsRun);
        await b.Firings.EndedAsync(e => e.IsSkipped);

        LockOccurrence[] asked = [.. a.Store.Asked.Select(r => r.Occurrence!)];
        Assert.Equal(asked[0] with { IsRetry = true }, asked[1]);
        Assert.All(b.Store.Asked, r => Assert.Equal(asked[0], r.Occurrence));
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_retry_that_is_deferred_stays_a_retry_of_its_occurrence()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Once));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;

        TaskLease? held = null;
        a.Firings.AtEnd = async _ => held ??= await a.HoldAsync("report");
        await a.FireScheduledAsync(Node.InAMoment(), trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held!.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun);
        LockOccurrence[] asked = [.. a.Store.Asked.Select(r => r.Occurrence).OfType<LockOccurrence>()];
        Assert.True(asked.Length >= 3);
        Assert.All(asked.Skip(1), o => Assert.Equal(asked[0] with { IsRetry = true }, o));
    }

    [Fact]
    public async Task A_deferral_keeps_the_scheduled_time()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Once));
        TaskLease held = await a.HoldAsync("report");

        await a.FireScheduledAsync(Node.InAMoment());
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Single(a.Store.Asked.Select(r => r.Occurrence).OfType<LockOccurrence>().Distinct());
    }

    [Fact]
    public async Task A_trigger_fired_by_hand_has_no_occurrence()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Once));
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).StoreDurably().Build(), cancellationToken: Token);
        TaskLease held = await a.HoldAsync("report");

        await a.Scheduler.TriggerJob(new JobKey(Work.Name), cancellationToken: Token);
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.All(a.Store.Asked, r => Assert.Null(r.Occurrence));
    }

    [Fact]
    public async Task A_backfilled_run_or_a_run_at_startup_has_no_occurrence()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Once);
            n.Quartz = q => q.AddJob<WorkJob>(j => j.WithIdentity(Work.Name).StoreDurably()).RunAtStartup(new JobKey(Work.Name));
        });
        await a.Firings.EndedAsync(1);

        // Its own fire times are half an hour away, and missed ones are not fired later.
        TriggerKey hourly = new("hourly");
        DateTimeOffset twoDaysAgo = DateTimeOffset.UtcNow.AddDays(-2);
        await a.Scheduler.ScheduleJob(
            TriggerBuilder.Create().WithIdentity(hourly).ForJob(Work.Name).StartAt(twoDaysAgo.AddDays(-1)).WithCronSchedule(
                $"0 {twoDaysAgo.AddMinutes(30).Minute} * * * ?", c => c.InTimeZone(TimeZoneInfo.Utc).WithMisfireInstruction(CronTriggerMisfireInstruction.DoNothing)).Build(),
            cancellationToken: Token);
        await a.Scheduler.Backfill(hourly, twoDaysAgo, twoDaysAgo.AddHours(1), cancellationToken: Token);
        await a.Firings.EndedAsync(2);

        Assert.All(a.Firings.All, e => Assert.True(e.IsRun, $"{e}"));
        Assert.All(a.Store.Asked, r => Assert.Null(r.Occurrence));
    }

    [Fact]
    public async Task A_job_without_an_identity_is_the_same_job_on_every_node()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        Node b = await cluster.StartAsync("b");
        DateTimeOffset start = DateTimeOffset.UtcNow.AddSeconds(1);
        foreach (Node node in new[] { a, b })
        {
            await node.Scheduler.ScheduleJob(JobBuilder.Create<OnceJob>().Build(), TriggerBuilder.Create().StartAt(start).Build(), cancellationToken: Token);
        }

        await Eventually.IsTrueAsync(() => a.Firings.All.Concat(b.Firings.All).Count(e => e.IsRun || e.IsSkipped) == 2);

        Assert.Single(cluster.Journal.Runs);
        Assert.Equal(typeof(OnceJob).FullName, a.Store.Asked.First().Occurrence!.Job);
    }

    private static async Task<int> DeferralsAsync(Node node) =>
        (await node.Scheduler.QueryTriggers(Node.Deferrals)).Items.Count;

    /// <summary>Node a is in the middle of an occurrence, node b stands by for it.</summary>
    private static async Task<(Node Running, Node StandingBy, DateTimeOffset Scheduled)> StartTwoAsync(
        Cluster cluster, Action<NodeOptions>? running = null, Func<Node, CancellationToken, Task>? first = null)
    {
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Once);
            running?.Invoke(n);
        });
        cluster.Journal.HoldFirst();
        if (first is not null)
        {
            cluster.Journal.Do = (run, token) => run.Number == 1 ? first(a, token) : Task.CompletedTask;
        }

        DateTimeOffset scheduled = Node.InAMoment();
        await a.FireScheduledAsync(scheduled);
        await cluster.Journal.BegunAsync(1);
        Node b = await StartBehindAsync(cluster, scheduled);
        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.StartsWith("Standing by: ", ended.Report!.Summary, StringComparison.Ordinal);
        return (a, b, scheduled);
    }

    /// <summary>Starts a node whose clock is so far behind that a time that has passed is still to come there.</summary>
    private static async Task<Node> StartBehindAsync(Cluster cluster, DateTimeOffset scheduled, Action<Node>? before = null)
    {
        SkewedTimeProvider clock = new();
        Node node = await cluster.StartAsync("b", n =>
        {
            n.Lock(Once);
            n.Quartz = q => q.UseTimeProvider(clock);
        });
        clock.Skew = scheduled.AddSeconds(-1) - DateTimeOffset.UtcNow;
        before?.Invoke(node);
        await node.FireScheduledAsync(scheduled);
        return node;
    }

    [TaskLock("once", OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1)]
    internal sealed class OnceJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    private sealed class SkewedTimeProvider : TimeProvider
    {
        public TimeSpan Skew { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Skew;
    }
}
