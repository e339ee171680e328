using System.Collections.Concurrent;
using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>A wake-up and the time of the deferral coincide. Whichever is first, the work is done once.</summary>
public sealed class WakeRaceTests(SharedRedis redis)
{
    private readonly TaskCompletionSource<TriggerKey> _fired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TriggerStore? _triggers;

    [Fact]
    public async Task A_deferral_that_has_fired_is_not_woken()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 1);
        Node b = await cluster.StartAsync("b", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 }));
        b.Store.IsBlind = true;
        TaskLease held = await b.HoldAsync("report");
        await DeferAsync(a);
        await b.FireOnceAsync();
        await b.Firings.EndedAsync(1);
        List<TriggerKey> replaced = [];
        _triggers!.BeforeReplace = key =>
        {
            replaced.Add(key);
            return Task.CompletedTask;
        };

        // Its firing is on its way to the job.
        await _fired.Task.WaitAsync(Token);
        await held.DisposeAsync();
        await b.Firings.EndedAsync(e => e.IsRun);
        _goOn.SetResult();

        await a.Firings.EndedAsync(e => e.IsRun);
        Assert.Empty(replaced);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_deferral_that_fires_just_before_a_wake_up_replaces_it_leaves_the_work_to_the_one_that_is_woken()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 1);
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(a, t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.Zero)));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        _goOn.SetResult();
        _triggers!.BeforeReplace = _ => _fired.Task;

        await held.DisposeAsync();

        // Its retry is that of the woken firing.
        Journal.Run second = await cluster.Journal.BegunAsync(2);
        Firings.Ended skipped = await a.Firings.EndedAsync(e => e.IsSkipped);
        Assert.Equal(await _fired.Task, skipped.Trigger.Key);
        Assert.Contains("woken", skipped.Report!.Summary, StringComparison.Ordinal);
        Assert.Equal("replaced", skipped.Report.Metrics!["lock.outcome"]);
        Assert.NotEqual(skipped.Trigger.Key, second.Trigger.Key);
        await Eventually.IsTrueAsync(async () => (await a.PendingDeferralsAsync()).Count == 0);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_firing_that_is_late_leaves_the_work_to_the_one_that_was_woken_and_has_ended()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 1);
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(a);
        _triggers!.BeforeReplace = _ => _fired.Task;

        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);
        await Eventually.IsTrueAsync(async () => (await a.PendingDeferralsAsync()).Count == 0);
        _goOn.SetResult();

        await a.Firings.EndedAsync(e => e.IsSkipped);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_deferral_that_fires_while_a_wake_up_fails_does_the_work_itself()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAsync(cluster, deferBy: 1);
        TaskLease held = await a.HoldAsync("report");
        await DeferAsync(a);
        _goOn.SetResult();
        TriggerKey? failed = null;
        _triggers!.BeforeReplace = async key =>
        {
            failed = await _fired.Task;
            throw new SchedulerException("The store is out of reach.");
        };

        await held.DisposeAsync();
        Firings.Ended ran = await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Equal(failed, ran.Trigger.Key);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task Thousands_of_deferrals_that_are_woken_as_they_fire_run_once_each()
    {
        const int Count = 6000;
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report:{number}") { DeferBy = 1, Expire = 600 });

            // As slow as a database, so that a wake-up takes long enough for the firing to coincide with it.
            n.Quartz = q => q.UseDefaultThreadPool(32).UseJobStore(services => new TriggerStore(services) { BeforeReplace = _ => Task.Delay(5, Token) });
        });
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).StoreDurably().Build(), cancellationToken: Token);
        ConcurrentBag<Task> woken = [];
        Dictionary<int, TaskLease> held = [];
        for (int i = 0; i < Count; i++)
        {
            held.Add(i, await a.HoldAsync($"report:{i}"));
        }

        // As the scheduler hands out the trigger, or a little before or after.
        a.Firings.AtEnd = ended =>
        {
            if (!ended.IsReturned)
            {
                int number = ended.Trigger.JobDataMap.GetInt("number");
                woken.Add(Task.Run(async () =>
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(980 + (number % 40)), Token);
                    await held[number].DisposeAsync();
                }));
            }

            return Task.CompletedTask;
        };
        for (int i = 0; i < Count; i++)
        {
            await a.Scheduler.ScheduleJob(TriggerBuilder.Create().WithIdentity($"{i}").ForJob(Work.Name).UsingJobData("number", i).StartNow().Build(), cancellationToken: Token);
        }

        await Eventually.IsTrueAsync(() => woken.Count == Count);
        await Task.WhenAll(woken);
        await Eventually.IsTrueAsync(async () => (await a.Scheduler.QueryTriggers(Node.Deferrals)).Items.Count == 0);
        await Eventually.IsTrueAsync(() => cluster.Journal.Runs.Count >= Count && cluster.Journal.Running == 0);

        Assert.Equal(Enumerable.Range(0, Count), cluster.Journal.Runs.Select(r => r.Trigger.JobDataMap.GetInt("number")).Order());
    }

    private async Task<Node> StartAsync(Cluster cluster, int deferBy)
    {
        Node node = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = deferBy });
            n.Quartz = q => q.UseJobStore(services => _triggers = new TriggerStore(services));
        });
        node.Store.IsBlind = true;
        node.Firings.AtBegin = trigger => trigger.Key.Group == "joblocking" && _fired.TrySetResult(trigger.Key) ? _goOn.Task : Task.CompletedTask;
        return node;
    }

    private static async Task DeferAsync(Node node, Action<TriggerBuilder<IJob>>? trigger = null)
    {
        await node.FireOnceAsync(trigger: trigger);
        await node.Firings.EndedAsync(e => e.IsDeferred);
    }
}
