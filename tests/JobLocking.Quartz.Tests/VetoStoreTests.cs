using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>What goes on after a deferral that is a veto, where the triggers are in the database of a cluster.</summary>
public sealed class VetoStoreTests(SharedRedis redis, SharedStore store) : IClassFixture<SharedStore>
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_continuation_goes_on_after_the_deferred_run(int deferrals)
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report") { DeferBy = 1 }, n =>
        {
            n.Scheduler = $"veto-{Guid.NewGuid():N}";
            store.Use(n);
        });
        TaskLease held = await a.HoldAsync("report");
        TriggerKey trigger = new($"{Work.Name}-trigger");
        await a.FireOnceAsync(trigger: t => t.StartAt(DateTimeOffset.UtcNow.AddHours(1)));
        await a.FireOnceAsync(Work.Other, t => t.StartAfter(trigger));
        await a.Scheduler.RescheduleJob(trigger, (await a.Scheduler.GetTrigger(trigger, Token))!.GetTriggerBuilder().StartNow().Build(), Token);
        await a.Firings.EndedAsync(deferrals);
        Assert.All(a.Firings.All, e => Assert.Equal(ExecutionOutcome.Vetoed, e.Outcome));
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);

        Assert.Equal([Work.Name, Work.Other], cluster.Journal.Runs.Select(run => run.Job.Name));
        Assert.Empty(a.Logs.Of(3028));
    }
}
