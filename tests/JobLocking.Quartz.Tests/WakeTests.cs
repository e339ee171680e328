using System.Diagnostics.Metrics;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>
/// The deferrals of these tests come back by themselves after an hour, and the nodes do not poll the lock unless the test says so: a
/// deferral that runs was woken by a wake-up.
/// </summary>
public sealed class WakeTests(SharedRedis redis)
{
    private const int Hour = 3600;

    private static readonly string[] Locked = ["work", "other", "one", "two", "three", "four"];

    public static TheoryData<string> Changes => ["unscheduled", "paused", "paused with all others", "moved"];

    [Fact]
    public async Task A_release_wakes_a_deferral_at_once()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(b, "work");

        await held.DisposeAsync();

        Firings.Ended ran = await b.Firings.EndedAsync(e => e.IsRun);
        Assert.True(ran.IsReturned);
        Assert.Single(cluster.Journal.Runs);
        Assert.Empty(await b.PendingDeferralsAsync());
    }

    [Fact]
    public async Task The_end_of_a_job_wakes_the_deferral_of_another()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync("work");
        await cluster.Journal.BegunAsync(1);
        await DeferAsync(b, "other");

        cluster.Journal.LetAllEnd();

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_break_wakes_a_deferral_at_once()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        await using TaskLease held = await a.HoldAsync("report");
        await DeferAsync(b, "work");

        Assert.True(await a.Locks.BreakAsync(held.Name, held.FencingToken, Token));

        await b.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task A_deferral_is_woken_when_its_holder_has_died()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        b.Store.IsBlind = false;
        TaskLease held = await a.Locks.TryAcquireAsync("report", new TaskLockOptions { Expire = TimeSpan.FromSeconds(1) }, Token)
            ?? throw new InvalidOperationException("It is taken.");
        await DeferAsync(b, "work");

        a.Store.Cut();

        await b.Firings.EndedAsync(e => e.IsRun);
        await held.DisposeAsync();
    }

    [Fact]
    public async Task A_wake_up_that_comes_while_the_deferral_is_being_stored_wakes_it()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        TaskLease held = await a.HoldAsync("report");
        TaskCompletionSource refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        b.Store.BeforeAnswer = request => request.Waiter is null ? Task.CompletedTask : refused.Task;
        b.Store.AtTurn = _ =>
        {
            turn.SetResult();
            return Task.CompletedTask;
        };
        await b.FireOnceAsync("work");
        await b.QueuedAsync("report", 1);

        await held.DisposeAsync();
        await turn.Task.WaitAsync(Token);
        refused.SetResult();

        Assert.True((await b.Firings.EndedAsync(1)).IsDeferred);
        await b.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task Deferrals_are_woken_one_at_a_time_and_the_oldest_first()
    {
        string[] jobs = ["one", "two", "three", "four"];
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        Node next = a;
        foreach (string job in jobs)
        {
            await DeferAsync(next, job);
            next = next == a ? b : a;
        }

        await held.DisposeAsync();
        await cluster.Journal.BegunAsync(jobs.Length);

        Assert.Equal(jobs, cluster.Journal.Runs.Select(r => r.Job.Name));
        Assert.Equal(jobs.Length, a.Firings.All.Concat(b.Firings.All).Count(e => e.IsDeferred));
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task Deferrals_of_a_job_that_must_not_run_concurrently_follow_one_another()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        await a.Scheduler.AddJob(JobBuilder.Create<SerialJob>().WithIdentity("work").StoreDurably().Build(), cancellationToken: Token);
        for (int i = 1; i <= 5; i++)
        {
            await a.Scheduler.ScheduleJob(TriggerBuilder.Create().WithIdentity($"{i}").ForJob("work").UsingJobData("number", i).StartNow().Build(), cancellationToken: Token);
            await a.Firings.EndedAsync(i);
        }

        // The next deferral has been woken before Quartz lets the job run again.
        int ran = 0;
        a.Firings.AtEnd = ended => ended.IsRun && ++ran < 5 ? Eventually.IsTrueAsync(() => a.Logs.Of(1107).Count() == ran + 1) : Task.CompletedTask;
        await held.DisposeAsync();
        await cluster.Journal.BegunAsync(5);

        Assert.Equal([1, 2, 3, 4, 5], cluster.Journal.Runs.Select(r => r.Trigger.JobDataMap.GetInt("number")));
        Assert.Equal(5, a.Firings.All.Count(e => e.IsDeferred));
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task A_deferral_that_was_changed_is_left_alone_and_the_next_is_woken(string change)
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(b, "work");
        TriggerKey deferral = (await b.PendingDeferralAsync()).Key;
        ITrigger? left = await ChangeAsync(b.Scheduler, deferral, change);
        await DeferAsync(a, "other");

        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Single(cluster.Journal.Runs);
        Assert.Single(b.Firings.All);
        Assert.Equal(left?.NextFireTimeUtc, (await b.Scheduler.GetTrigger(deferral, Token))?.NextFireTimeUtc);
        Assert.Equal(change.StartsWith("paused", StringComparison.Ordinal), await b.Scheduler.GetTriggerState(deferral, Token) == TriggerState.Paused);
    }

    [Fact]
    public async Task A_deferral_of_a_scheduler_in_standby_is_left_alone_and_the_next_is_woken()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(b, "work");
        DateTimeOffset? due = (await b.PendingDeferralAsync()).NextFireTimeUtc;
        await DeferAsync(a, "other");
        await b.Scheduler.Standby(Token);

        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Equal(due, (await b.PendingDeferralAsync()).NextFireTimeUtc);
    }

    [Fact]
    public async Task A_node_that_stops_leaves_its_wake_up_to_another()
    {
        await using Cluster cluster = new(redis);
        SlowToStop service = new();
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b", n => n.Services = s => s.AddHostedService(_ => service));
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(b, "work");
        await DeferAsync(a, "other");

        // Its scheduler is stopped after the service, and fires until then.
        Task stopping = b.StopAsync();
        await service.Begun.Task.WaitAsync(Token);
        Assert.Equal(SchedulerStatus.Running, b.Scheduler.Status);
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun);
        Assert.Single(cluster.Journal.Runs);
        service.LetEnd.SetResult();
        await stopping;
    }

    [Fact]
    public async Task A_deferral_that_comes_back_before_its_listener_has_ended_leaves_no_waiter_behind()
    {
        await using Cluster cluster = new(redis);
        SlowListener listener = new();
        Node a = await cluster.StartAsync("a");
        Node b = await cluster.StartAsync("b", n =>
        {
            n.Lock(new TaskLockAttribute("told-late") { DeferBy = 1 });
            n.Quartz = q => q.AddSchedulerListener(listener);
        });
        long queued = 0;
        using MeterListener meter = new();
        meter.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == JobLockingDiagnostics.Waiters)
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        meter.SetMeasurementEventCallback<long>((_, change, tags, _) =>
            Interlocked.Add(ref queued, tags.ToArray().Any(tag => tag.Value is "told-late") ? change : 0));
        meter.Start();
        TaskLease held = await a.HoldAsync("told-late");

        await b.FireOnceAsync();
        await b.Firings.EndedAsync(e => e.IsReturned && e.IsDeferred);
        Assert.Equal(1, Interlocked.Read(ref queued));
        listener.LetEnd.SetResult();
        await b.Firings.EndedAsync(e => !e.IsReturned && e.IsDeferred);
        await held.DisposeAsync();
        await b.Firings.EndedAsync(e => e.IsRun);

        await Eventually.IsTrueAsync(() => Interlocked.Read(ref queued) == 0);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task Each_of_two_schedulers_in_a_process_wakes_its_own_deferral()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a", n =>
        {
            n.Scheduler = "first";
            n.Services = s => s.AddQuartz("second", q => q.AddTaskLocks(o => o.ForJob(new JobKey("work"), Report)));
        });
        IScheduler second = await a.Services.GetRequiredKeyedService<ISchedulerFactory>("second").GetScheduler(Token);
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        foreach (IScheduler scheduler in new[] { a.Scheduler, second })
        {
            await scheduler.ScheduleJob(
                JobBuilder.Create<WorkJob>().WithIdentity("work").Build(), TriggerBuilder.Create().WithIdentity("work-trigger").StartNow().Build(), cancellationToken: Token);
            await Eventually.IsTrueAsync(async () => (await scheduler.QueryTriggers(Node.Deferrals, Token)).Items.Count == 1);
        }

        await held.DisposeAsync();
        await cluster.Journal.BegunAsync(2);

        Assert.Equal(["first", "second"], cluster.Journal.Runs.Select(r => r.Scheduler));
    }

    [Fact]
    public async Task A_node_that_stood_by_for_an_occurrence_that_is_done_leaves_its_wake_up_to_the_next()
    {
        TaskLockAttribute once = new("report") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = Hour };
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a", n => n.Lock("occurrence", once));
        Node b = await StartAsync(cluster, "b", n => n.Lock("occurrence", once));
        cluster.Journal.HoldFirst();
        DateTimeOffset scheduled = DateTimeOffset.UtcNow.AddSeconds(1);
        await a.FireOnceAsync("occurrence", t => t.StartAt(scheduled));
        await cluster.Journal.BegunAsync(1);
        await b.FireOnceAsync("occurrence", t => t.StartAt(scheduled));
        Firings.Ended standby = await b.Firings.EndedAsync(1);
        Assert.StartsWith("Standing by: ", standby.Report!.Summary, StringComparison.Ordinal);
        await DeferAsync(a, "other");

        cluster.Journal.LetAllEnd();

        await b.Firings.EndedAsync(e => e.IsSkipped);
        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == "other");
        Assert.Equal(["occurrence", "other"], cluster.Journal.Runs.Select(r => r.Job.Name));
    }

    [Fact]
    public async Task A_coalesced_firing_does_not_change_the_position_of_the_pending_deferral()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a", n => n.Lock("hourly", new TaskLockAttribute("report") { OnConflict = LockConflict.Defer, DeferBy = Hour }));
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        await a.FireRecurringAsync("hourly");
        await a.Firings.EndedAsync(1);
        await DeferAsync(a, "other");
        await a.Scheduler.RescheduleJob(
            new TriggerKey("hourly-trigger"),
            TriggerBuilder.Create().WithIdentity("hourly-trigger").ForJob("hourly").StartNow().WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever()).Build(),
            cancellationToken: Token);
        await a.Firings.EndedAsync(e => e.Report?.Summary!.Contains("coalesced", StringComparison.Ordinal) == true);
        await a.QueuedAsync("report", 2);

        await held.DisposeAsync();
        await cluster.Journal.BegunAsync(2);

        Assert.Equal(["hourly", "other"], cluster.Journal.Runs.Select(r => r.Job.Name));
        await using TaskLease _ = await holder.Locks.AcquireAsync("report", cancellationToken: Token);
        await holder.QueuedAsync("report", 0);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_deferral_does_not_come_back_while_the_holder_is_alive()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node b = await StartAsync(cluster, "b");
        b.Store.IsBlind = false;
        await using TaskLease held = await a.Locks.TryAcquireAsync("report", new TaskLockOptions { Expire = TimeSpan.FromSeconds(1) }, Token)
            ?? throw new InvalidOperationException("It is taken.");
        await DeferAsync(b, "work");
        int asked = b.Store.Asked.Count;

        await Eventually.IsTrueAsync(() => b.Store.Looks >= 3);

        Assert.Single(b.Firings.All);
        Assert.Equal(asked, b.Store.Asked.Count);
        Assert.False(held.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_wake_up_resets_the_doubling_of_the_delay()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a", n => n.Lock("quick", new TaskLockAttribute("report") { DeferBy = 1 }));
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        TaskLease? newcomer = null;
        a.Store.AtTurn = async _ => newcomer ??= await holder.HoldAsync("report");
        await a.FireOnceAsync("quick");
        await a.Firings.EndedAsync(2);

        await held.DisposeAsync();
        await a.Firings.EndedAsync(3);

        Assert.NotNull(newcomer);
        Assert.Equal([1, 2, 3], a.Firings.All.Select(e => e.Report!.Metrics!["lock.deferrals"]));
        Assert.Equal([1.0, 2.0, 1.0], a.Firings.All.Select(e => e.Report!.Metrics!["lock.deferred_by"]));
        await newcomer.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task A_waiter_that_a_newcomer_overtook_is_the_next_again()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        await DeferAsync(a, "work");
        await DeferAsync(a, "other");
        TaskLease? newcomer = null;
        a.Store.AtTurn = async _ => newcomer ??= await holder.HoldAsync("report");

        await held.DisposeAsync();
        await a.Firings.EndedAsync(3);
        await newcomer!.DisposeAsync();
        await cluster.Journal.BegunAsync(2);

        Assert.Equal(["work", "other"], cluster.Journal.Runs.Select(r => r.Job.Name));
    }

    [Fact]
    public async Task A_job_that_is_not_durable_outlives_the_waking_of_its_deferral()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        TaskLease? newcomer = null;
        a.Store.AtTurn = async _ => newcomer ??= await holder.HoldAsync("report");
        await DeferAsync(a, "work", t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.Zero)));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;

        await held.DisposeAsync();
        await a.Firings.EndedAsync(2);
        await newcomer!.DisposeAsync();

        Assert.True((await a.Firings.EndedAsync(3)).RetryScheduled);
        await a.Firings.EndedAsync(e => e.IsRun);
        await Eventually.IsTrueAsync(async () => !await a.Scheduler.Exists(new JobKey("work"), Token));
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_deferral_that_is_woken_keeps_what_it_carried()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, "a");
        Node holder = await StartAsync(cluster, "holder");
        TaskLease held = await holder.HoldAsync("report");
        DateTimeOffset meant = DateTimeOffset.UtcNow.AddMilliseconds(300);
        await DeferAsync(a, "work", t => t
            .StartAt(meant)
            .WithDescription("the report")
            .WithPriority(7)
            .WithExecutionGroup("{{heavy}}")
            .WithMisfireThreshold(TimeSpan.FromMinutes(3))
            .WithRetryPolicy(RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1)))
            .UsingJobData("customer", 17));

        await held.DisposeAsync();
        Journal.Run run = await cluster.Journal.BegunAsync(1);

        Assert.Equal(meant, run.Context.GetOriginalFireTimeUtc());
        Assert.Equal("the report", run.Trigger.Description);
        Assert.Equal(7, run.Trigger.Priority);
        Assert.Equal("{heavy}", run.Trigger.ExecutionGroup);
        Assert.Equal(TimeSpan.FromMinutes(3), run.Trigger.MisfireThreshold);
        Assert.Equal(RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1)), run.Trigger.RetryPolicy);
        Assert.Equal(17, run.Trigger.JobDataMap["customer"]);
    }

    private static TaskLockAttribute Report => new("report") { DeferBy = Hour };

    private static async Task<Node> StartAsync(Cluster cluster, string name, Action<NodeOptions>? configure = null)
    {
        Node node = await cluster.StartAsync(name, n =>
        {
            foreach (string job in Locked)
            {
                n.Lock(job, Report);
            }

            configure?.Invoke(n);
        });
        node.Store.IsBlind = true;
        return node;
    }

    /// <summary>Fires a job once while its lock is taken.</summary>
    private static async Task DeferAsync(Node node, string job, Action<TriggerBuilder<IJob>>? trigger = null)
    {
        await node.FireOnceAsync(job, trigger);
        await node.Firings.EndedAsync(e => e.Job.Name == job && e.IsDeferred);
    }

    private static async Task<ITrigger?> ChangeAsync(IScheduler scheduler, TriggerKey deferral, string change)
    {
        switch (change)
        {
            case "unscheduled":
                await scheduler.UnscheduleJob(deferral, Token);
                break;
            case "paused":
                await scheduler.PauseTrigger(deferral, Token);
                break;
            case "paused with all others":
                await scheduler.PauseAll(Token);
                break;
            case "moved":
                ITrigger trigger = (await scheduler.GetTrigger(deferral, Token))!;
                await scheduler.RescheduleJob(deferral, trigger.GetTriggerBuilder().StartAt(DateTimeOffset.UtcNow.AddHours(5)).Build(), Token);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(change));
        }

        return await scheduler.GetTrigger(deferral, Token);
    }

    /// <summary>Delays the report that the first deferral was stored.</summary>
    private sealed class SlowListener : ISchedulerListener
    {
        private int _told;

        public TaskCompletionSource LetEnd { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async ValueTask JobScheduled(IScheduler scheduler, ITrigger trigger, CancellationToken cancellationToken = default)
        {
            if (trigger.Key.Group == "joblocking" && Interlocked.Increment(ref _told) == 1)
            {
                await LetEnd.Task;
            }
        }
    }

    private sealed class SlowToStop : IHostedService
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource LetEnd { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            Begun.TrySetResult();
            return LetEnd.Task.WaitAsync(cancellationToken);
        }
    }

    [DisallowConcurrentExecution]
    internal sealed class SerialJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }
}
