using JobLocking.TestKit;
using Quartz;
using Quartz.Listeners;

namespace JobLocking.Quartz.Tests;

/// <summary>What Quartz promises of a firing holds also when the firing is deferred, on both kinds of store.</summary>
public sealed class DeferredFiringsTests(SharedRedis redis, SharedStore database) : IClassFixture<SharedStore>
{
    private static readonly JobKey Job = new(Work.Name);

    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task A_deferral_keeps_priority_execution_group_data_and_retries_until_its_run(TriggerStores stores)
    {
        RetryPolicy retries = RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1));
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        (TaskLease held, DateTimeOffset time) = await fleet.DeferAsync<WorkJob>(t => t
            .WithPriority(7).WithExecutionGroup("heavy").WithRetryPolicy(retries).UsingJobData("customer", "17"));
        foreach (ITrigger pending in await fleet.PendingAsync())
        {
            Assert.Equal(Kept, Of(pending));
        }

        await held.DisposeAsync();
        Journal.Run run = await fleet.Journal.BegunAsync(1);
        await fleet.IdleAsync();

        Assert.Equal("joblocking", run.Trigger.Key.Group);
        Assert.Equal(Kept, Of(run.Trigger));
        Assert.Equal("17", run.Context.MergedJobDataMap.GetString("customer"));
        Assert.Equal([time], fleet.Occurrences);
    }

    /// <summary>A release wakes the next deferral while the job of the one before has not yet ended for Quartz.</summary>
    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task Deferrals_of_a_job_that_disallows_concurrent_execution_run_one_after_the_other(TriggerStores stores)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        (TaskLease held, _) = await fleet.DeferAsync<SerialJob>();
        await fleet.First.Scheduler.TriggerJob(Job, new JobDataMap { ["region"] = "north" }, Token);
        await fleet.First.Scheduler.TriggerJob(Job, new JobDataMap { ["region"] = "south" }, Token);
        await EndedAsync(fleet, 2, IsManual);
        Assert.All(fleet.Ended, e => Assert.True(e.IsDeferred, $"{e}"));

        await held.DisposeAsync();
        await fleet.Journal.BegunAsync(3);
        await fleet.IdleAsync();
        await fleet.First.Scheduler.TriggerJob(Job, new JobDataMap { ["region"] = "west" }, Token);
        await fleet.Journal.BegunAsync(4);

        Assert.Equal(
            ["north", "schedule", "south", "west"],
            fleet.Journal.Runs.Select(r => r.Context.MergedJobDataMap.GetValueOrDefault("region") as string ?? "schedule").Order());
        Assert.Equal(1, fleet.Journal.MostAtOnce);
    }

    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task A_deferred_retry_spends_the_retries_of_its_occurrence(TriggerStores stores)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        fleet.Journal.Do = (run, _) => run.Number <= 3 ? throw new InvalidOperationException("always") : Task.CompletedTask;
        TaskLease? held = null;
        fleet.AtEnd = async e => held ??= e.RetryScheduled ? await fleet.First.HoldAsync(Fleet.LockName) : null;

        DateTimeOffset time = await fleet.FireAsync(t => t.WithRetryPolicy(RetryPolicy.Fixed(2, TimeSpan.FromMilliseconds(100))));
        await EndedAsync(fleet, 1, e => e.IsDeferred);
        await held!.DisposeAsync();
        await EndedAsync(fleet, 1, e => e.Outcome == ExecutionOutcome.Failed && !e.RetryScheduled);
        await fleet.IdleAsync();

        Assert.Equal([0, 1, 2], fleet.Journal.Runs.Select(r => r.Context.GetOriginalRetryAttempt()));
        Assert.Equal([time, time, time], fleet.Occurrences);
    }

    /// <summary>
    /// A continuation fires once, when the trigger before it has fired. A chain goes by the job, and fires again after the deferred run.
    /// </summary>
    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task By_default_a_deferral_counts_as_a_success_for_a_continuation_and_a_chain(TriggerStores stores)
    {
        JobKey chained = new("chained");
        JobKey continuation = new("continuation");
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores, configure: n => n.Quartz += q =>
        {
            JobChainingJobListener chain = new("chain");
            chain.AddJobChainLink(Job, chained);
            q.AddJobListener(chain);
        });
        TaskLease held = await fleet.First.HoldAsync(Fleet.LockName);
        DateTimeOffset time = await fleet.ScheduleAsync<WorkJob>(beforeStart: async node =>
        {
            await node.Scheduler.AddJob(
                JobBuilder.Create<WorkJob>().WithIdentity(chained).StoreDurably().Build(), cancellationToken: Token);
            await node.FireOnceAsync(continuation.Name, t => t.StartAfter(Fleet.Trigger));
        });
        await Eventually.IsTrueAsync(() => (Runs(chained), Runs(continuation)) == (fleet.Stores.Count, fleet.Stores.Count));
        Assert.Equal(0, Runs(Job));
        await held.DisposeAsync();
        await Eventually.IsTrueAsync(() => Runs(chained) == 2 * fleet.Stores.Count);
        await fleet.IdleAsync();

        Assert.Equal((1, fleet.Stores.Count), (Runs(Job), Runs(continuation)));
        Assert.Equal(time, fleet.Journal.Runs.Single(r => r.Job.Equals(Job)).Context.GetOriginalFireTimeUtc());

        int Runs(JobKey job) => fleet.Journal.Runs.Count(r => r.Job.Equals(job));
    }

    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task Manual_runs_become_one_pending_run_alongside_the_schedule_and_have_no_occurrence(TriggerStores stores)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        fleet.Journal.HoldFirst();
        await fleet.ScheduleAsync<WorkJob>();
        await fleet.Journal.BegunAsync(1);
        for (int i = 1; i <= 3; i++)
        {
            await fleet.First.Scheduler.TriggerJob(Job, cancellationToken: Token);
            await EndedAsync(fleet, i, IsManual);
        }

        fleet.Journal.LetAllEnd();
        await fleet.Journal.BegunAsync(2);
        await fleet.IdleAsync();
        Assert.Equal(2, fleet.Journal.Runs.Count);

        await fleet.First.Scheduler.TriggerJob(Job, cancellationToken: Token);
        await fleet.Journal.BegunAsync(3);
        Assert.Equal(1, fleet.Journal.MostAtOnce);
    }

    private static (int, string?, RetryPolicy?, string?) Kept => (7, "heavy", RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1)), "17");

    private static (int, string?, RetryPolicy?, string?) Of(ITrigger trigger) =>
        (trigger.Priority, trigger.ExecutionGroup, trigger.RetryPolicy, trigger.JobDataMap.GetString("customer"));

    private static bool IsManual(Firings.Ended ended) => !ended.IsReturned && ended.Trigger.Key.Name != Fleet.Trigger.Name;

    private static Task EndedAsync(Fleet fleet, int count, Func<Firings.Ended, bool> so) =>
        Eventually.IsTrueAsync(() => fleet.Ended.Count(so) >= count);

    [DisallowConcurrentExecution]
    internal sealed class SerialJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken);
    }
}
