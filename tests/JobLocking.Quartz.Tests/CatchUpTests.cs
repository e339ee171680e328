using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Work that the schedule or a manual trigger requests although the same job is running.</summary>
public sealed class CatchUpTests(SharedRedis redis)
{
    private static readonly JobKey Job = new(Work.Name);

    [Fact]
    public async Task Each_firing_of_a_trigger_that_ignores_misfires_runs()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        cluster.Journal.HoldFirst();
        await a.FireAsync<WorkJob>(Work.Name, t => t.WithSchedule(SimpleScheduleBuilder.Create()
            .WithInterval(TimeSpan.FromMilliseconds(50)).WithRepeatCount(4).WithMisfireInstruction(SimpleTriggerMisfireInstruction.IgnoreMisfires)));
        await a.Firings.EndedAsync(4);
        Assert.All(a.Firings.All, ended => Assert.True(ended.IsDeferred, $"{ended}"));

        cluster.Journal.LetAllEnd();
        await cluster.Journal.BegunAsync(5);

        Assert.DoesNotContain(a.Firings.All, ended => ended.IsSkipped);
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_trigger_that_ignores_misfires_has_at_most_a_thousand_pending_deferrals_and_the_oldest_gives_way()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 }));
        await using TaskLease held = await a.HoldAsync("report");
        await a.FireRecurringAsync(trigger: IgnoreMisfires);
        await a.Firings.EndedAsync(1);
        ITrigger first = await a.PendingDeferralAsync();
        Assert.True(a.Firings.All.First().IsDeferred);
        string trigger = first.Key.Name.Split('-')[0];
        for (int i = 2; i < 1000; i++)
        {
            await a.Scheduler.ScheduleJob(first.GetTriggerBuilder().WithIdentity($"{trigger}-{i:D19}-x", "joblocking").Build(), cancellationToken: Token);
        }

        await FireAgainAsync(a);
        Firings.Ended thousandth = await a.Firings.EndedAsync(2);
        await FireAgainAsync(a);
        Firings.Ended next = await a.Firings.EndedAsync(3);

        Assert.True(thousandth.IsDeferred, $"{thousandth}");
        Assert.True(next.IsDeferred, $"{next}");
        string oldest = $"{trigger}-{2:D19}-x";
        IReadOnlyList<ITrigger> pending = await a.PendingDeferralsAsync();
        Assert.Equal(1000, pending.Count);
        Assert.DoesNotContain(pending, t => t.Key.Name == oldest);
        Assert.Contains(oldest, Assert.Single(a.Logs.Of(3015)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Manual_runs_of_a_running_job_become_one_pending_run()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 }));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        for (int i = 0; i < 5; i++)
        {
            await a.Scheduler.TriggerJob(Job, cancellationToken: Token);
        }

        await a.Firings.EndedAsync(5);
        Assert.Single(a.Firings.All, ended => ended.IsDeferred);
        Assert.Equal(4, a.Logs.Of(3000).Count());
        await a.PendingDeferralAsync();
        cluster.Journal.LetAllEnd();
        await a.Firings.EndedAsync(ended => ended.IsReturned && ended.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
        Assert.Empty(await a.PendingDeferralsAsync());
    }

    [Fact]
    public async Task A_manual_run_with_data_of_its_own_is_other_work()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 }));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        foreach (string region in new[] { "north", "south", "north" })
        {
            await a.Scheduler.TriggerJob(Job, new JobDataMap { ["region"] = region }, Token);
        }

        await a.Scheduler.TriggerJob(Job, cancellationToken: Token);
        await a.Firings.EndedAsync(4);
        Assert.Equal(4, (await a.PendingDeferralsAsync()).Count);
        cluster.Journal.LetAllEnd();
        await cluster.Journal.BegunAsync(5);
        Assert.Equal(["north", "north", "south"], cluster.Journal.Runs.Select(run => run.Trigger.JobDataMap.GetValueOrDefault("region")).OfType<string>().Order());
    }

    [Fact]
    public async Task The_retry_of_a_manual_run_is_kept_alongside_the_next_manual_run()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 });
            n.Quartz = q => q.UseDefaultRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100)));
        });
        TaskCompletionSource fail = new(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Journal.Do = async (run, token) =>
        {
            if (run.Number == 1)
            {
                await fail.Task.WaitAsync(token);
                throw new InvalidOperationException("at first");
            }
        };
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Job).StoreDurably().Build(), cancellationToken: Token);
        await a.Scheduler.TriggerJob(Job, cancellationToken: Token);
        await cluster.Journal.BegunAsync(1);
        await a.Scheduler.TriggerJob(Job, cancellationToken: Token);
        await a.Firings.EndedAsync(1);
        await a.PendingDeferralAsync();

        // The wake-up of the pending deferral never comes, so the retry finds the lock taken.
        a.Store.IsBlind = true;
        a.Store.AtTurn = _ => new TaskCompletionSource().Task;
        TaskLease? held = null;
        a.Firings.AtEnd = async e => held = e.RetryScheduled ? await a.HoldAsync("report") : held;
        fail.SetResult();
        Firings.Ended retry = await a.Firings.EndedAsync(3);

        Assert.True(retry.IsDeferred, $"{retry}");
        Assert.Equal(2, (await a.PendingDeferralsAsync()).Count);
        await held!.DisposeAsync();
    }

    private static void IgnoreMisfires(TriggerBuilder<IJob> trigger) => trigger.WithSchedule(
        SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever().WithMisfireInstruction(SimpleTriggerMisfireInstruction.IgnoreMisfires));

    private static async Task FireAgainAsync(Node node)
    {
        TriggerBuilder<IJob> builder = TriggerBuilder.Create().WithIdentity($"{Work.Name}-trigger").ForJob(Work.Name).StartNow();
        IgnoreMisfires(builder);
        await node.Scheduler.RescheduleJob(new TriggerKey($"{Work.Name}-trigger"), builder.Build(), cancellationToken: Token);
    }
}
