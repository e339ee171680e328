using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class CoalescingTests(SharedRedis redis)
{
    private static readonly TriggerKey Key = new("work-trigger");

    [Fact]
    public async Task One_deferral_of_a_recurring_trigger_is_pending_at_most()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 60);
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(1);
        await FireAgainAsync(a);
        Firings.Ended second = await a.Firings.EndedAsync(2);

        Assert.True(a.Firings.All.First().IsDeferred);
        Assert.StartsWith("Skipped: coalesced with the pending deferral", second.Report!.Summary, StringComparison.Ordinal);
        Assert.Equal(["deferred", "coalesced"], a.Firings.All.Select(e => e.Report!.Metrics!["lock.outcome"]));
        Assert.Single(a.Logs.Of(3000));
        Assert.Single(a.Logs.Of(1101));
        await a.PendingDeferralAsync();
    }

    [Fact]
    public async Task A_trigger_key_that_is_used_again_is_other_work()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 60);
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(trigger: t => t.UsingJobData("file", "first"));
        await a.Firings.EndedAsync(1);
        await Eventually.IsTrueAsync(async () => await a.Scheduler.GetTrigger(Key, Token) is null);
        await a.Scheduler.ScheduleJob(
            TriggerBuilder.Create().WithIdentity(Key).ForJob(Work.Name).UsingJobData("file", "second").StartNow().Build(), cancellationToken: Token);
        await a.Firings.EndedAsync(2);

        Assert.Equal(["first", "second"], (await a.PendingDeferralsAsync()).Select(t => t.JobDataMap["file"]).Order());
    }

    [Fact]
    public async Task A_recurring_trigger_whose_lock_changes_is_other_work()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report:{region}") { DeferBy = 60 }));
        await using TaskLease north = await a.HoldAsync("report:north");
        await using TaskLease south = await a.HoldAsync("report:south");

        await a.FireRecurringAsync(trigger: t => t.UsingJobData("region", "north"));
        await a.Firings.EndedAsync(1);
        await FireAgainAsync(a, t => t.UsingJobData("region", "south"));
        await a.Firings.EndedAsync(2);

        Assert.Equal(["north", "south"], (await a.PendingDeferralsAsync()).Select(t => t.JobDataMap["region"]).Order());
    }

    [Fact]
    public async Task A_retry_is_not_coalesced_with_the_deferral_of_another_firing()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 60);

        // It never receives its wake-up, so its deferral stays pending.
        a.Store.IsBlind = true;
        a.Store.AtTurn = _ => new TaskCompletionSource().Task;
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("at first");
        TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(1);
        await held.DisposeAsync();

        a.Firings.AtEnd = async e => held = e.RetryScheduled ? await a.HoldAsync("report") : held;
        await FireAgainAsync(a, t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        Firings.Ended retry = await a.Firings.EndedAsync(3);
        await held.DisposeAsync();

        Assert.True(retry.IsDeferred, $"{retry}");
        Assert.Equal(2, (await a.PendingDeferralsAsync()).Count);
    }

    [Fact]
    public async Task A_deferral_that_runs_is_retried_alongside_the_next_deferral()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 1);
        TaskCompletionSource fail = new(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Journal.Do = async (run, token) =>
        {
            if (run.Number == 1)
            {
                await fail.Task.WaitAsync(token);
                throw new InvalidOperationException("at first");
            }
        };
        TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromSeconds(1))));
        await a.Firings.EndedAsync(1);
        await held.DisposeAsync();
        Journal.Run first = await cluster.Journal.BegunAsync(1);

        await FireAgainAsync(a);
        Firings.Ended next = await a.Firings.EndedAsync(2);
        Assert.True(next.IsDeferred, $"{next}");
        fail.SetResult();

        await cluster.Journal.BegunAsync(3);
        Assert.Equal(2, cluster.Journal.Runs.Count(r => r.Trigger.Key == first.Trigger.Key));
    }

    [Fact]
    public async Task A_deferral_that_is_paused_does_not_swallow_the_next()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 60);
        await using TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(1);
        ITrigger paused = await a.PendingDeferralAsync();
        await a.Scheduler.PauseTrigger(paused.Key, Token);

        await FireAgainAsync(a);
        Firings.Ended next = await a.Firings.EndedAsync(2);

        Assert.True(next.IsDeferred, $"{next}");
        Assert.Equal(TriggerState.Normal, await a.Scheduler.GetTriggerState((await a.PendingDeferralAsync()).Key, Token));
        Assert.Contains($"{paused.Key}", Assert.Single(a.Logs.Of(3006)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deferral_that_could_not_fire_does_not_swallow_the_next()
    {
        await using Cluster cluster = new(redis);
        bool broken = false;
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Defer, DeferBy = 1 });
            n.Services = s => s.AddTransient(_ => broken ? throw new InvalidOperationException("The job cannot be made.") : new WorkJob(cluster.Journal));
        });
        TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(1);
        broken = true;
        ITrigger failed = await a.PendingDeferralAsync();
        await Eventually.IsTrueAsync(async () => await a.Scheduler.GetTriggerState(failed.Key, Token) == TriggerState.Error);
        broken = false;

        await FireAgainAsync(a);
        Firings.Ended next = await a.Firings.EndedAsync(2);
        await held.DisposeAsync();

        Assert.True(next.IsDeferred, $"{next}");
        await cluster.Journal.BegunAsync(1);
        Assert.Single(a.Logs.Of(3006));
    }

    [Fact]
    public async Task Two_occurrences_of_one_trigger_are_deferred_separately()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 60 }));
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(trigger: t => t.WithCronSchedule("* * * * * ?"));
        await a.Firings.EndedAsync(2);

        Assert.True((await a.PendingDeferralsAsync()).Select(t => t.JobDataMap["JOBLOCKING_OCCURRENCE"]).Distinct().Count() >= 2);
    }

    private static Task<Node> StartAsync(Cluster cluster, int deferBy) =>
        cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Defer, DeferBy = deferBy }));

    /// <summary>The recurring trigger fires once more, now.</summary>
    private static async Task FireAgainAsync(Node node, Action<TriggerBuilder<IJob>>? trigger = null)
    {
        TriggerBuilder<IJob> builder = TriggerBuilder.Create().WithIdentity(Key).ForJob(Work.Name).StartNow()
            .WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());
        trigger?.Invoke(builder);
        await node.Scheduler.RescheduleJob(Key, builder.Build(), cancellationToken: Token);
    }
}
