using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;
using Quartz.Extensibility;
using Quartz.Listeners;

namespace JobLocking.Quartz.Tests;

/// <summary>What goes on after a firing that is recorded as a veto, and what does not.</summary>
public sealed class VetoTests(SharedRedis redis)
{
    private const string Chained = "chained";

    private static readonly TriggerKey Trigger = new($"{Work.Name}-trigger");

    [Fact]
    public async Task A_skip_that_is_a_veto_lets_nothing_go_on_that_waits_for_a_success()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Skip });
            n.TaskLocks += o => o.SkipAs = FiringRecord.Veto;
            Chain(n);
        });
        await using TaskLease held = await a.HoldAsync("report");
        await a.FireOnceAsync(trigger: Later);
        await a.FireOnceAsync("on success", t => t.StartAfter(Trigger));
        await a.FireOnceAsync("on veto", t => t.StartAfter(Trigger, ContinuationCondition.OnVeto));

        await FireNowAsync(a);
        await a.Firings.EndedAsync(e => e.IsRun);

        Firings.Ended skipped = a.Firings.All.First();
        Assert.Equal(ExecutionOutcome.Vetoed, skipped.Outcome);
        Assert.True(skipped.IsSkipped, $"{skipped}");
        Assert.Equal("skipped", skipped.Report!.Metrics!["lock.outcome"]);
        Assert.Single(a.Logs.Of(1100));
        Assert.Equal(["on veto"], cluster.Journal.Runs.Select(run => run.Job.Name));
        Assert.Empty((await a.Scheduler.QueryTriggers(new TriggerQuery { Job = new JobKey(Chained) }, Token)).Items);
        Assert.Empty(await WaitingAsync(a));
    }

    [Fact]
    public async Task A_skip_that_is_not_a_veto_is_reported_beside_a_deferral_that_is()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Skip });
            n.TaskLocks += o => o.DeferAs = FiringRecord.Veto;
        });
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Succeeded, ended.Outcome);
        Assert.True(ended.IsSkipped, $"{ended}");
        Assert.Single(a.Store.Asked);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_deferral_that_is_a_veto_lets_go_on_what_waits_for_a_success_after_the_deferred_run(int deferrals)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 1 });
            n.TaskLocks += o => o.DeferAs = FiringRecord.Veto;
            Chain(n);
        });
        TaskLease held = await a.HoldAsync("report");
        await a.FireOnceAsync(trigger: Later);
        await a.FireOnceAsync(Work.Other, t => t.StartAfter(Trigger));

        await FireNowAsync(a);
        await a.Firings.EndedAsync(deferrals);
        Assert.All(a.Firings.All, e => Assert.Equal(ExecutionOutcome.Vetoed, e.Outcome));
        Assert.All(a.Firings.All, e => Assert.True(e.IsDeferred, $"{e}"));
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);
        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Chained);
        Assert.Equal(Work.Name, cluster.Journal.Runs.First().Job.Name);
        Assert.Equal(3, cluster.Journal.Runs.Count);
        Assert.Empty(await WaitingAsync(a));
    }

    [Fact]
    public async Task What_waits_for_a_firing_that_coalesces_goes_on_after_the_pending_deferral()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 60, OnConflict = LockConflict.Defer });
            n.TaskLocks += o => o.DeferAs = FiringRecord.Veto;
        });
        TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(1);
        await a.FireOnceAsync(Work.Other, t => t.StartAfter(Trigger));

        await FireNowAsync(a);
        Firings.Ended coalesced = await a.Firings.EndedAsync(2);
        Assert.Equal(ExecutionOutcome.Vetoed, coalesced.Outcome);
        Assert.Equal("coalesced", coalesced.Report!.Metrics!["lock.outcome"]);
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);
        Assert.Equal([Work.Name, Work.Other], cluster.Journal.Runs.Select(run => run.Job.Name));
    }

    [Fact]
    public async Task A_continuation_that_names_the_veto_does_not_wait_for_the_deferred_run()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 60 });
            n.TaskLocks += o => o.DeferAs = FiringRecord.Veto;
        });
        await using TaskLease held = await a.HoldAsync("report");
        await a.FireOnceAsync(trigger: Later);
        await a.FireOnceAsync(Work.Other, t => t.StartAfter(Trigger, ContinuationCondition.OnAnyOutcome));

        await FireNowAsync(a);

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);
        Assert.NotNull(await a.PendingDeferralAsync());
    }

    [Fact]
    public async Task The_last_success_of_a_job_is_that_of_the_deferred_run()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 60 });
            n.TaskLocks += o => o.DeferAs = FiringRecord.Veto;
            n.Services = s => s.AddQuartzExecutionHistory();
        });
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await a.Firings.EndedAsync(1);
        Assert.Null(await LastSuccessAsync());
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun);
        await Eventually.IsTrueAsync(async () => await LastSuccessAsync() is not null);

        async Task<DateTimeOffset?> LastSuccessAsync()
        {
            IExecutionHistoryStore history = a.Services.GetRequiredService<IExecutionHistoryStore>();
            return (await history.GetJobRunStatus(a.Scheduler.SchedulerName, new JobKey(Work.Name), Token))?.LastSucceededAtUtc;
        }
    }

    [Fact]
    public async Task A_firing_that_fails_for_its_lock_is_not_a_veto_and_its_retry_policy_brings_it_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, new TaskLockAttribute("report") { OnConflict = LockConflict.Fail });
        TaskLease held = await a.HoldAsync("report");
        a.Firings.AtEnd = _ => held.DisposeAsync().AsTask();

        await a.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        Firings.Ended failed = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Failed, failed.Outcome);
        Assert.True(failed.RetryScheduled);
        Assert.IsType<TaskLockConflictException>(failed.Error!.InnerException);
        await a.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task A_retry_that_meets_the_lock_is_deferred_and_has_the_attempts_that_remain()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, new TaskLockAttribute("report") { DeferBy = 1, OnConflict = LockConflict.Skip });
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("again");
        TaskLease? held = null;
        a.Firings.AtEnd = async _ => held ??= await a.HoldAsync("report");

        await a.FireRecurringAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(2, TimeSpan.FromMilliseconds(100))));
        Firings.Ended retry = await a.Firings.EndedAsync(2);
        Assert.Equal(ExecutionOutcome.Vetoed, retry.Outcome);
        Assert.True(retry.IsDeferred, $"{retry}");
        await held!.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsReturned && e.Outcome == ExecutionOutcome.Failed && !e.RetryScheduled);
        Assert.Equal([true, true, false], a.Firings.All.Where(e => e.Outcome == ExecutionOutcome.Failed).Select(e => e.RetryScheduled));
        Assert.Equal(3, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_firing_waits_in_place_before_it_is_vetoed_and_runs_if_it_gets_the_lock()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, new TaskLockAttribute("report") { Wait = 3600, OnConflict = LockConflict.Skip });
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await a.QueuedAsync("report", 1);
        await held.DisposeAsync();

        Assert.True((await a.Firings.EndedAsync(1)).IsRun);
    }

    [Fact]
    public async Task Each_firing_takes_the_lock_over_from_the_one_it_cancels()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, new TaskLockAttribute("follow"));
        cluster.Journal.Do = (_, token) => Task.Delay(Timeout.Infinite, token);

        await a.FireRecurringAsync(trigger: t => t.WithOverlapPolicy(OverlapPolicy.CancelPrevious));
        for (int run = 1; run < 4; run++)
        {
            await cluster.Journal.BegunAsync(run);
            await FireNowAsync(a);
        }

        await cluster.Journal.BegunAsync(4);
        Assert.All(a.Firings.All, e => Assert.Equal(ExecutionOutcome.Cancelled, e.Outcome));
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_firing_that_runs_has_asked_once_and_releases_its_lock()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, new TaskLockAttribute("report"));
        cluster.Journal.HoldFirst();

        await a.FireOnceAsync();
        await cluster.Journal.BegunAsync(1);
        Assert.Null(await a.Locks.TryAcquireAsync("report", cancellationToken: Token));
        cluster.Journal.LetAllEnd();
        await a.Firings.EndedAsync(e => e.IsRun);

        await using TaskLease free = await a.HoldAsync("report");
        Assert.Equal(1, a.Store.Asked.Count(request => request.Holder.Job == $"DEFAULT.{Work.Name}"));
        Assert.Empty(a.Logs.Of(3027));
    }

    /// <summary>Starts a node that records skips and deferrals as vetoes.</summary>
    internal static Task<Node> StartAsync(Cluster cluster, TaskLockAttribute taskLock, Action<NodeOptions>? configure = null) =>
        cluster.StartAsync("a", n =>
        {
            n.Lock(taskLock);
            n.TaskLocks += o => (o.SkipAs, o.DeferAs) = (FiringRecord.Veto, FiringRecord.Veto);
            configure?.Invoke(n);
        });

    private static void Later(TriggerBuilder<IJob> trigger) => trigger.StartAt(DateTimeOffset.UtcNow.AddHours(1));

    private static void Chain(NodeOptions node)
    {
        JobChainingJobListener chain = new("chain");
        chain.AddJobChainLink(new JobKey(Work.Name), new JobKey(Chained), ContinuationCondition.OnSuccess);
        node.Quartz += q => q.AddJobListener(chain).AddJob<WorkJob>(j => j.WithIdentity(Chained).StoreDurably());
    }

    private static async Task FireNowAsync(Node node)
    {
        ITrigger now = (await node.Scheduler.GetTrigger(Trigger))!.GetTriggerBuilder().StartNow().Build();
        await node.Scheduler.RescheduleJob(Trigger, now);
    }

    private static async Task<IEnumerable<TriggerKey>> WaitingAsync(Node node) =>
        (await node.Scheduler.QueryTriggers(new TriggerQuery { State = TriggerState.Awaiting, Take = PagedQuery.All })).Items.Select(t => t.Key);
}
