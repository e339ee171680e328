using JobLocking.Engine;
using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class DeferTests(SharedRedis redis)
{
    [Fact]
    public async Task A_firing_that_will_not_come_again_runs_later()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        Node b = await cluster.StartAsync("b", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync();
        await cluster.Journal.BegunAsync(1);

        await b.FireOnceAsync();
        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        Assert.Equal(1, ended.Report!.Metrics!["lock.deferrals"]);
        cluster.Journal.LetAllEnd();

        Firings.Ended ran = await b.Firings.EndedAsync(e => e.IsRun);
        Assert.True(ran.IsReturned);
        Assert.Equal(2, cluster.Journal.Runs.Count);
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_deferred_run_knows_its_scheduled_time()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        DateTimeOffset meant = DateTimeOffset.UtcNow.AddSeconds(1);
        await using (TaskLease held = await a.HoldAsync("report"))
        {
            await a.FireOnceAsync(trigger: t => t.StartAt(meant));
            await a.Firings.EndedAsync(e => e.IsDeferred);
        }

        Journal.Run run = await cluster.Journal.BegunAsync(1);
        Assert.True(run.Scheduled > meant);
        Assert.Equal(meant, run.Context.GetOriginalFireTimeUtc());
    }

    [Fact]
    public async Task A_recurring_firing_that_finds_its_lock_held_by_another_job_runs_later()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Work.Name, new TaskLockAttribute("database") { DeferBy = 1 });
            n.Lock(Work.Other, new TaskLockAttribute("database") { DeferBy = 1 });
        });
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync(Work.Name);
        await cluster.Journal.BegunAsync(1);

        await a.FireRecurringAsync(Work.Other);
        await a.Firings.EndedAsync(e => e.IsDeferred);
        cluster.Journal.LetAllEnd();

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_job_that_is_not_durable_outlives_its_trigger_while_its_firing_is_deferred()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await Eventually.IsTrueAsync(async () => await a.Scheduler.GetTrigger(new TriggerKey("work-trigger"), Token) is null && a.Firings.All.Count == 1);

        Assert.True(await a.Scheduler.Exists(new JobKey(Work.Name), Token));
    }

    [Fact]
    public async Task A_deferral_keeps_what_its_trigger_had()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(trigger: t => t
            .WithDescription("the report")
            .WithPriority(7)
            .WithExecutionGroup("{{heavy}}")
            .WithMisfireThreshold(TimeSpan.FromMinutes(3))
            .WithRetryPolicy(RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1)))
            .UsingJobData("customer", 17));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        ITrigger deferral = await a.PendingDeferralAsync();

        Assert.Equal("the report", deferral.Description);
        Assert.Equal(7, deferral.Priority);
        Assert.Equal("{heavy}", deferral.ExecutionGroup);
        Assert.Equal(TimeSpan.FromMinutes(3), deferral.MisfireThreshold);
        Assert.Equal(RetryPolicy.Fixed(3, TimeSpan.FromMinutes(1)), deferral.RetryPolicy);
        Assert.Equal(17, deferral.JobDataMap["customer"]);
        Assert.Equal((int)SimpleTriggerMisfireInstruction.FireNow, deferral.MisfireInstructionCode);
    }

    [Fact]
    public async Task A_deferral_goes_beyond_the_end_and_the_calendar_of_its_trigger()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        await using TaskLease held = await a.HoldAsync("report");
        DateTimeOffset end = DateTimeOffset.UtcNow.AddSeconds(20);
        await a.Scheduler.AddCalendar("open", new OpenUntil(end), cancellationToken: Token);

        await a.FireOnceAsync(trigger: t => t.WithCalendarName("open").EndAt(end));
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.True(ended.IsDeferred, $"{ended}");
        Assert.True((await a.PendingDeferralAsync()).NextFireTimeUtc > end);
    }

    [Fact]
    public async Task A_deferral_of_a_continuation_does_not_wait_for_its_parent_again()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(Work.Other, new TaskLockAttribute("report") { DeferBy = 1 }));
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(Work.Name, t => t.StartAt(DateTimeOffset.UtcNow.AddHours(1)));
        await a.FireOnceAsync(Work.Other, t => t.StartAfter(new TriggerKey("work-trigger")));
        await a.Scheduler.RescheduleJob(
            new TriggerKey("work-trigger"), TriggerBuilder.Create().WithIdentity("work-trigger").ForJob(Work.Name).StartNow().Build(), cancellationToken: Token);
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun && e.Job.Name == Work.Other);
    }

    [Fact]
    public async Task A_firing_that_is_deferred_again_remembers_what_it_is()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await a.Firings.EndedAsync(2);
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        ITrigger[] triggers = [.. a.Firings.All.Select(e => e.Trigger)];
        JobDataMap first = triggers[1].JobDataMap;
        JobDataMap last = triggers[^1].JobDataMap;
        Assert.Equal("work-trigger", last["JOBLOCKING_TRIGGER_NAME"]);
        DeferralState before = DeferralState.Parse((string)first["JOBLOCKING_DEFERRAL"]!)!;
        DeferralState after = DeferralState.Parse((string)last["JOBLOCKING_DEFERRAL"]!)!;
        Assert.Equal((1, triggers.Length - 1), (before.Deferrals, after.Deferrals));
        Assert.Equal(before.FirstDeferredAt, after.FirstDeferredAt);
        Assert.Equal(first["JOBLOCKING_SCHEDULED_FIRE_TIME"], last["JOBLOCKING_SCHEDULED_FIRE_TIME"]);
        Assert.Single(triggers.Skip(1).Select(t => t.Key.Name.Split('-')[0]).Distinct());
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_trigger_that_a_deferred_job_schedules_with_its_own_data_is_a_separate_firing()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1 }));
        TriggerKey followUp = new("follow-up");
        cluster.Journal.Do = async (run, token) =>
        {
            if (run.Number == 1)
            {
                await run.Context.Scheduler.ScheduleJob(
                    TriggerBuilder.Create().WithIdentity(followUp).ForJob(run.Job).UsingJobData(run.Context.MergedJobDataMap).StartNow().Build(), cancellationToken: token);
            }
        };
        TaskLease held = await a.HoldAsync("report");
        await a.FireOnceAsync();
        await a.Firings.EndedAsync(1);
        await held.DisposeAsync();

        // At once, or by a deferral of its own, because the first run may still have the lock when it fires.
        await cluster.Journal.BegunAsync(2);
        Assert.DoesNotContain(a.Firings.All, e => e.IsSkipped);
    }

    [Fact]
    public async Task Two_triggers_of_one_job_are_deferred_separately()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        await a.Scheduler.TriggerJob(new JobKey(Work.Name), cancellationToken: Token);
        await a.Firings.EndedAsync(2);
        await held.DisposeAsync();

        await cluster.Journal.BegunAsync(2);
        Assert.All(a.Firings.All.Take(2), e => Assert.True(e.IsDeferred, $"{e}"));
    }

    [Theory]
    [InlineData(FiringRecord.Report)]
    [InlineData(FiringRecord.Veto)]
    public async Task A_firing_whose_deferral_cannot_be_stored_fails(FiringRecord deferAs)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 });
            n.TaskLocks += o => o.DeferAs = deferAs;
            n.Hosted += o => o.WaitForJobsToComplete = true;
        });
        Node b = await cluster.StartAsync("b");
        await using TaskLease held = await b.HoldAsync("report");
        TaskCompletionSource stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);
        a.Store.BeforeAnswer = request => request.Waiter is null ? Task.CompletedTask : stopping.Task;
        await a.FireOnceAsync();
        await b.QueuedAsync("report", 1);

        Task stopped = a.Scheduler.Shutdown(waitForJobsToComplete: true, Token).AsTask();
        await Eventually.IsTrueAsync(() => a.Scheduler.Status == SchedulerStatus.ShuttingDown);
        stopping.SetResult();
        await stopped;

        Firings.Ended ended = Assert.Single(a.Firings.All);
        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.StartsWith("The deferral could not be stored", ended.Error!.Message, StringComparison.Ordinal);
        await b.QueuedAsync("report", 0);
    }

    [Fact]
    public async Task Deferrals_that_are_kept_in_memory_cause_one_warning()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Work.Name, new TaskLockAttribute("report"));
            n.Lock(Work.Other, new TaskLockAttribute("report"));
        });
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(Work.Name);
        await a.FireOnceAsync(Work.Other);
        await a.Firings.EndedAsync(2);

        Assert.Single(a.Logs.Of(3001));
    }

    [Fact]
    public async Task A_deferral_gives_up_visibly()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1, GiveUpAfter = 1 }));
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync();
        Firings.Ended ended = await a.Firings.EndedAsync(e => e.Outcome == ExecutionOutcome.Failed);

        Assert.IsType<TaskLockConflictException>(ended.Error!.InnerException);
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_scheduler_with_a_clock_of_its_own_does_not_change_how_long_a_deferral_waits()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 1, GiveUpAfter = 600 });
            n.Scheduler = "behind";
            n.Quartz = q => q.UseTimeProvider(new AnHourBehind());
        });
        await using TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(trigger: t => t.StartAt(a.Scheduler.TimeProvider.GetUtcNow()));

        Firings.Ended again = await a.Firings.EndedAsync(2);
        Assert.True(again.IsDeferred, again.ToString());
        Assert.InRange((await a.PendingDeferralAsync()).NextFireTimeUtc!.Value, DateTimeOffset.MinValue, DateTimeOffset.UtcNow);
    }

    private sealed class AnHourBehind : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddHours(-1);
    }
}
