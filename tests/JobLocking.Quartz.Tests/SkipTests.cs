using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz.Tests;

public sealed class SkipTests(SharedRedis redis)
{
    [Fact]
    public async Task A_recurring_firing_is_skipped_while_the_same_job_holds_the_lock_on_another_node()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        Node b = await cluster.StartAsync("b", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync();
        await cluster.Journal.BegunAsync(1);

        await b.FireRecurringAsync();
        Firings.Ended ended = await b.Firings.EndedAsync(1);

        Assert.True(ended.IsSkipped, $"{ended}");
        Assert.StartsWith("Skipped: lock 'report' is held by tests on a, Quartz/QuartzScheduler job DEFAULT.work #", ended.Report!.Summary, StringComparison.Ordinal);
        Assert.Equal("skipped", ended.Report.Metrics!["lock.outcome"]);
        Assert.Equal("report", ended.Report.Metrics["lock.name"]);
        Assert.StartsWith("tests on a", (string)ended.Report.Metrics["lock.holder"]!, StringComparison.Ordinal);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task The_execution_history_shows_a_skip_as_a_skip()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Skip });
            n.Services = s => s.AddQuartzExecutionHistory();
        });
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await a.Firings.EndedAsync(1);
        IExecutionHistoryStore history = a.Services.GetRequiredService<IExecutionHistoryStore>();
        ExecutionHistoryQuery all = new() { SchedulerName = a.Scheduler.SchedulerName };
        PagedResult<ExecutionHistoryEntry> entries = await Eventually.SeesAsync(() => history.QueryExecutions(all).AsTask(), h => h.Items.Count == 1);

        Assert.Equal(JobRunResult.Skipped, entries.Items[0].EffectiveResult);
        Assert.StartsWith("Skipped: lock 'report' is held by tests on a, code", entries.Items[0].Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_job_runs_again_at_its_next_time_once_the_lock_is_free()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Skip }));
        TaskLease held = await a.HoldAsync("report");

        await a.FireRecurringAsync(trigger: t => t.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromMilliseconds(100)).RepeatForever()));
        await a.Firings.EndedAsync(e => e.IsSkipped);
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun);
    }
}
