using JobLocking.Engine;
using JobLocking.TestKit;
using Quartz;
using Quartz.Extensibility;
using Quartz.Impl;

namespace JobLocking.Quartz.Tests;

/// <summary>What a run can learn about the scheduled firing that it stands for.</summary>
public sealed class OriginalTests(SharedRedis redis, SharedStore store) : IClassFixture<SharedStore>
{
    private static readonly DateTimeOffset Midnight = new(2026, 1, 2, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task A_deferred_run_has_the_same_information_as_the_run_it_stands_for()
    {
        TimeSpan interval = TimeSpan.FromSeconds(1);
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        TaskLease? held = null;
        a.Firings.AtEnd = async _ => held ??= await a.HoldAsync("report");
        await a.FireRecurringAsync(trigger: t => t.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(interval).RepeatForever()));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held!.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun && e.IsReturned);
        IJobExecutionContext first = cluster.Journal.Runs.First().Context;
        IJobExecutionContext deferred = cluster.Journal.Runs.First(r => r.Trigger.Key.Group == "joblocking").Context;
        DateTimeOffset meant = deferred.GetOriginalFireTimeUtc();

        Assert.Equal(0, (meant - first.ScheduledFireTimeUtc!.Value).Ticks % interval.Ticks);
        Assert.Equal((meant - interval, meant + interval), (deferred.GetOriginalPreviousFireTimeUtc(), deferred.GetOriginalNextFireTimeUtc()));
        Assert.Equal(
            (new TriggerKey("work-trigger"), 0, false),
            (deferred.GetOriginalTrigger(), deferred.GetOriginalRetryAttempt(), deferred.GetOriginalRecovering()));
        Assert.Equal(
            (first.Trigger.Key, null, first.NextFireTimeUtc, 0, false),
            (first.GetOriginalTrigger(), first.GetOriginalPreviousFireTimeUtc(), first.GetOriginalNextFireTimeUtc(), first.GetOriginalRetryAttempt(), first.GetOriginalRecovering()));
    }

    /// <summary>
    /// A scheduler that starts on a store that another one uses, not as a cluster, takes the other's firings for those of its own earlier
    /// process.
    /// </summary>
    [Fact]
    public async Task A_recovered_run_that_was_deferred_knows_its_fire_time_to_the_millisecond()
    {
        await using Cluster cluster = new(redis);
        string scheduler = $"alone-{Guid.NewGuid():N}";
        Task<Node> StartAsync(string name) => cluster.StartAsync(name, n =>
        {
            n.Scheduler = scheduler;
            n.Lock(new TaskLockAttribute("report") { DeferBy = 60 });
            store.Use(n, clustered: false);
        });
        Node before = await StartAsync("a");
        cluster.Journal.HoldFirst();
        DateTimeOffset meant = DateTimeOffset.FromUnixTimeMilliseconds(1234).AddSeconds(Math.Floor((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds));
        await before.FireAsync<WorkJob>(Work.Name, t => t.StartAt(meant), j => j.RequestRecovery());
        await cluster.Journal.BegunAsync(1);

        Node after = await StartAsync("b");
        await Eventually.IsTrueAsync(() => before.Firings.All.Concat(after.Firings.All).Any(e => e.IsDeferred));
        cluster.Journal.LetAllEnd();

        IJobExecutionContext recovered = (await cluster.Journal.BegunAsync(2)).Context;
        Assert.Equal((meant, true), (recovered.GetOriginalFireTimeUtc(), recovered.GetOriginalRecovering()));
        Assert.Equal(new TriggerKey("work-trigger"), recovered.GetOriginalTrigger());
    }

    [Fact]
    public async Task A_deferred_run_has_the_data_of_its_job_and_trigger_and_no_other()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        TaskLease held = await a.HoldAsync("report");
        cluster.Journal.Do = (run, _) =>
        {
            run.Context.JobDetail.JobDataMap["runs"] = 1;
            return Task.CompletedTask;
        };

        await a.FireAsync<KeepingJob>(Work.Name, t => t.UsingJobData("customer", 17), j => j.UsingJobData("region", "eu").StoreDurably());
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Journal.Run run = Assert.Single(cluster.Journal.Runs);
        Assert.Equal(["customer", "region"], run.Context.MergedJobDataMap.Keys.Order());
        Assert.True(run.Trigger.JobDataMap.ContainsKey("JOBLOCKING_DEFERRAL"));
        await Eventually.IsTrueAsync(async () =>
            (await a.Scheduler.GetJobDetail(run.Job, Token))!.JobDataMap.Keys.Order().SequenceEqual(["region", "runs"]));
    }

    [Fact]
    public async Task A_retry_that_was_deferred_knows_which_attempt_it_is()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("always");
        TaskLease? held = null;
        a.Firings.AtEnd = async _ => held ??= await a.HoldAsync("report");
        await a.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(2, TimeSpan.FromMilliseconds(100))));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held!.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsReturned && e.Outcome == ExecutionOutcome.Failed && !e.RetryScheduled);
        Assert.Equal([0, 1, 2], cluster.Journal.Runs.Select(r => r.Context.GetOriginalRetryAttempt()));
        Assert.Equal([0, 0, 1], cluster.Journal.Runs.Select(r => r.Context.RetryAttempt));
    }

    [Fact]
    public void A_recovery_that_was_deferred_is_still_a_recovery()
    {
        JobExecutionContextImpl context = Returned(Deferral(attempts: 0) with { Recovering = true });

        Assert.Equal((true, false), (context.GetOriginalRecovering(), context.Recovering));
    }

    [Fact]
    public void A_deferral_that_an_older_version_stored_gives_the_values_it_has()
    {
        JobExecutionContextImpl context = Returned(
            Deferral(attempts: 2) with { Recovering = true, PreviousTime = Midnight, NextTime = Midnight },
            "RETRY_ATTEMPT",
            "RECOVERING",
            "PREVIOUS_FIRE_TIME",
            "NEXT_FIRE_TIME");

        Assert.Equal((new TriggerKey("nightly"), 2, false), (context.GetOriginalTrigger(), context.GetOriginalRetryAttempt(), context.GetOriginalRecovering()));
        Assert.Equal((null, null), (context.GetOriginalPreviousFireTimeUtc(), context.GetOriginalNextFireTimeUtc()));
    }

    [Fact]
    public void A_deferral_does_not_keep_the_times_of_another_in_data_that_was_passed_on()
    {
        ITrigger trigger = TriggerBuilder.Create().WithIdentity(DeferralTrigger.NewKey("work")).Build();
        (Deferral(attempts: 0) with { PreviousTime = Midnight, NextTime = Midnight }).WriteTo(trigger.JobDataMap);

        Deferral(attempts: 0).WriteTo(trigger.JobDataMap);

        Assert.Equal(Deferral(attempts: 0), JobLocking.Quartz.StoredDeferral.ReadFrom(trigger.JobDataMap));
    }

    // How Quartz recovers a firing at Midnight and 250 ms: its own after a restart of the scheduler, or another's by a node of the cluster.
    [Theory]
    [InlineData(SimpleTriggerMisfireInstruction.IgnoreMisfires, 250, 250)]
    [InlineData(SimpleTriggerMisfireInstruction.FireNow, 270, 0)]
    [InlineData(SimpleTriggerMisfireInstruction.IgnoreMisfires, 7000, 0)]
    public void A_recovered_firing_has_its_fire_time_to_the_millisecond_where_Quartz_has_kept_it(SimpleTriggerMisfireInstruction misfires, int scheduled, int expected)
    {
        ITrigger trigger = TriggerBuilder.Create()
            .WithIdentity("recover_a_1", SchedulerConstants.DefaultRecoveryGroup)
            .WithSchedule(SimpleScheduleBuilder.Create().WithMisfireInstruction(misfires))
            .UsingJobData(SchedulerConstants.FailedJobOriginalTriggerName, "nightly")
            .UsingJobData(SchedulerConstants.FailedJobOriginalTriggerGroup, "DEFAULT")
            .UsingJobData(SchedulerConstants.FailedJobOriginalTriggerScheduledFireTime, "01/02/2026 00:00:00 +00:00")
            .Build();
        JobExecutionContextImpl context = JobExecutionContextBuilder.For(new KeepingJob(new Journal()))
            .WithTrigger(trigger)
            .FiredAt(Midnight.AddMinutes(5), Midnight.AddMilliseconds(scheduled))
            .Recovering(true)
            .Build();

        Assert.Equal(Midnight.AddMilliseconds(expected), context.GetOriginalFireTimeUtc());
    }

    private static StoredDeferral Deferral(int attempts) =>
        new(new TriggerKey("nightly"), Midnight, attempts, DeferralState.Parse("1;1;1;0;1:abc")) { RetryAttempt = attempts };

    private static JobExecutionContextImpl Returned(StoredDeferral deferral, params string[] missing)
    {
        ITrigger trigger = TriggerBuilder.Create().WithIdentity(DeferralTrigger.NewKey("work")).Build();
        deferral.WriteTo(trigger.JobDataMap);
        foreach (string key in missing)
        {
            Assert.True(trigger.JobDataMap.Remove($"JOBLOCKING_{key}"));
        }

        return JobExecutionContextBuilder.For(new KeepingJob(new Journal())).WithTrigger(trigger).Build();
    }

    [PersistJobDataAfterExecution]
    [DisallowConcurrentExecution]
    internal sealed class KeepingJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }
}
