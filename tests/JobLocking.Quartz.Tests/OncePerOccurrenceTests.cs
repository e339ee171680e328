using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using NSubstitute;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Where each occurrence runs once: the rows of the table that depend on the lock, the store, and the kind of firing.</summary>
public sealed class OncePerOccurrenceTests(SharedRedis redis, SharedStore store) : IClassFixture<SharedStore>
{
    private const int NotOnce = 3016;

    private static readonly string EachSecond = "* * * * * ?";

    public static TheoryData<TaskLockAttribute> Off =>
    [
        new TaskLockAttribute("at-once") { Limit = 3 },
        new TaskLockAttribute("report") { OnUnavailable = LockUnavailable.Run },
        new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Never },
    ];

    [Fact]
    public async Task By_default_a_cron_firing_is_an_occurrence_of_its_job_and_trigger()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));

        await a.FireOnceAsync(trigger: t => t.WithCronSchedule(EachSecond));
        await a.Firings.EndedAsync(1);

        LockOccurrence asked = a.Store.Asked.First().Occurrence!;
        Assert.Equal(("DEFAULT.work", "DEFAULT.work-trigger", a.Firings.All.First().Trigger.PreviousFireTimeUtc), (asked.Job, asked.Trigger, asked.ScheduledTime));
        Assert.Empty(a.Logs.Of(NotOnce));
    }

    [Theory]
    [MemberData(nameof(Off))]
    public async Task A_lock_that_wants_several_runs_or_works_without_the_store_has_no_occurrences(TaskLockAttribute taskLock)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(taskLock));

        await a.FireOnceAsync(trigger: t => t.WithCronSchedule(EachSecond));
        await a.Firings.EndedAsync(1);

        Assert.All(a.Store.Asked, request => Assert.Null(request.Occurrence));
        Assert.Empty(a.Logs.Of(NotOnce));
    }

    [Theory]
    [InlineData(OncePerOccurrence.Auto, true, false)]
    [InlineData(OncePerOccurrence.Auto, false, true)]
    [InlineData(OncePerOccurrence.Always, true, true)]
    public async Task A_clustered_store_makes_one_firing_itself(OncePerOccurrence once, bool clustered, bool expected)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Scheduler = $"once-{once}-{clustered}";
            n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = once });
            store.Use(n, clustered: clustered);
        });

        await a.FireOnceAsync(trigger: t => t.WithCronSchedule(EachSecond));
        await a.Firings.EndedAsync(1);

        Assert.Equal(expected, a.Store.Asked.First().Occurrence is not null);
    }

    [Fact]
    public async Task Always_accepts_every_trigger_of_a_clustered_store()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Scheduler = "once-always-every";
            n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always });
            store.Use(n);
        });

        await a.FireRecurringAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.NotNull(a.Store.Asked.First().Occurrence);
    }

    [Fact]
    public async Task The_start_warns_once_of_all_triggers_whose_occurrences_each_node_runs_and_names_the_fix()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            n.Quartz = q => q
                .AddJob<WorkJob>(j => j.WithIdentity(Work.Name))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("simple").WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromHours(1)).RepeatForever()))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("interval").WithCalendarIntervalSchedule(s => s.WithInterval(1, IntervalUnit.Hour)))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("cron").WithCronSchedule("0 0 2 * * ?"));
        });
        await a.Firings.EndedAsync(2);

        string said = Assert.Single(a.Logs.Of(NotOnce)).Text;
        Assert.Contains("trigger DEFAULT.simple of job DEFAULT.work (lock 'report')", said, StringComparison.Ordinal);
        Assert.Contains("Fix: WithCronSchedule", said, StringComparison.Ordinal);
        Assert.Contains("trigger DEFAULT.interval", said, StringComparison.Ordinal);
        Assert.Contains("Fix: StartAt", said, StringComparison.Ordinal);
        Assert.DoesNotContain("DEFAULT.cron", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trigger_that_is_added_later_is_warned_of_once()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));

        await a.FireOnceAsync(trigger: t => t.WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromMilliseconds(100)).WithRepeatCount(3)));
        await a.Firings.EndedAsync(3);

        Assert.Contains("DEFAULT.work-trigger", Assert.Single(a.Logs.Of(NotOnce)).Text, StringComparison.Ordinal);
        Assert.All(a.Store.Asked, request => Assert.Null(request.Occurrence));
    }

    [Fact]
    public async Task Always_refuses_a_trigger_whose_occurrences_cannot_be_told_apart_at_start_and_later()
    {
        TaskLockAttribute always = new("report") { OncePerOccurrence = OncePerOccurrence.Always };
        static void Simple(SimpleScheduleBuilder schedule) => schedule.WithInterval(TimeSpan.FromHours(1)).RepeatForever();
        await using Cluster cluster = new(redis);

        TaskLockException atStart = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync("a", n =>
        {
            n.Lock(always);
            n.Quartz = q => q
                .AddJob<WorkJob>(j => j.WithIdentity(Work.Name))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("work-trigger").WithSimpleSchedule(Simple));
        }));
        Node b = await cluster.StartAsync("b", n => n.Lock(always));
        await b.FireOnceAsync(trigger: t => t.WithSimpleSchedule(Simple));
        Firings.Ended later = await b.Firings.EndedAsync(1);

        Assert.Contains("Lock 'report' of job DEFAULT.work: OncePerOccurrence is Always, but", atStart.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: WithCronSchedule", atStart.Message, StringComparison.Ordinal);
        Assert.Equal(atStart.Message, later.Error!.Message);
    }

    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 1)]
    public async Task Triggers_of_one_job_at_one_time_are_one_occurrence_unless_they_have_names(bool named, int expected)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1, OnConflict = LockConflict.Defer }));
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).StoreDurably().Build(), cancellationToken: Token);
        DateTimeOffset at = Node.InAMoment();

        foreach (string name in new[] { "one", "two" })
        {
            TriggerBuilder<IJob> trigger = TriggerBuilder.Create().ForJob(Work.Name).StartAt(at)
                .WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour));
            await a.Scheduler.ScheduleJob((named ? trigger.WithIdentity(name) : trigger).Build(), cancellationToken: Token);
        }

        await Eventually.IsTrueAsync(() => a.Firings.All.Count(e => e.IsRun || e.IsSkipped) == 2);
        Assert.Equal(expected, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_firing_that_makes_up_for_missed_ones_stands_for_the_last_of_them_and_so_does_its_retry()
    {
        TriggerKey key = new("work-trigger");
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        await a.FireOnceAsync(trigger: t => t
            .WithCronSchedule(EachSecond)
            .WithMisfireThreshold(TimeSpan.FromSeconds(1)));
        await a.Firings.EndedAsync(1);
        await a.Scheduler.PauseTrigger(key, Token);
        DateTimeOffset missed = (await a.Scheduler.GetTrigger(key, Token))!.NextFireTimeUtc!.Value;
        await Eventually.IsTrueAsync(() => DateTimeOffset.UtcNow > missed.AddSeconds(4));
        int before = a.Store.Asked.Count;
        cluster.Journal.Do = (run, _) =>
            run.Context.RefireCount == 0 ? throw new JobExecutionException("once more") { RefireImmediately = true } : Task.CompletedTask;

        await a.Scheduler.ResumeTrigger(key, Token);
        await Eventually.IsTrueAsync(() => a.Store.Asked.Skip(before).Any(r => r.Occurrence!.IsRetry));

        LockOccurrence[] asked = [.. a.Store.Asked.Skip(before).Select(r => r.Occurrence!)];
        Assert.True(asked[0].ScheduledTime >= missed.AddSeconds(3), $"{asked[0].ScheduledTime:O} after {missed:O}");
        Assert.Equal(0, asked[0].ScheduledTime.Ticks % TimeSpan.TicksPerSecond);
        Assert.Equal(asked[0] with { IsRetry = true }, asked.First(o => o.IsRetry));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_retry_that_misfires_runs_its_occurrence_again(bool persistent)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            if (persistent)
            {
                n.Scheduler = "misfired-retry";
                store.Use(n, clustered: false);
            }
        });
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        a.Firings.AtEnd = PauseRetry(a, TriggerKey.DefaultGroup);

        await a.FireScheduledAsync(Node.InAMoment(), trigger: RetriedSoon);
        Firings.Ended failed = await a.Firings.EndedAsync(e => e.RetryScheduled);
        await MisfiresAsync(a, failed.Trigger.Key);
        Firings.Ended retry = await a.Firings.EndedAsync(2);

        Assert.True(retry.IsRun, $"{retry}");
        Assert.Equal(0, retry.Trigger.RetryAttempt);
        LockOccurrence[] asked = [.. a.Store.Asked.Select(r => r.Occurrence!)];
        Assert.Equal([asked[0] with { IsRetry = false }, asked[0] with { IsRetry = true }], asked);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_retry_of_a_deferral_that_misfires_is_no_copy_of_the_deferral(bool persistent)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 });
            if (persistent)
            {
                n.Scheduler = "misfired-deferral";
                store.Use(n, clustered: false);
            }
        });
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        a.Firings.AtEnd = PauseRetry(a, "joblocking");
        TaskLease held = await a.HoldAsync("report");

        await a.FireScheduledAsync(Node.InAMoment(), trigger: RetriedSoon);
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();
        Firings.Ended failed = await a.Firings.EndedAsync(e => e.RetryScheduled);
        await MisfiresAsync(a, failed.Trigger.Key);
        Firings.Ended retry = await a.Firings.EndedAsync(e => e.IsReturned && !e.RetryScheduled);

        Assert.True(retry.IsRun, $"{retry}");
        LockOccurrence[] asked = [.. a.Store.Asked.Select(r => r.Occurrence).OfType<LockOccurrence>()];
        Assert.Equal(asked[0] with { IsRetry = true }, asked[^1]);
    }

    [Fact]
    public async Task A_misfired_firing_that_stands_for_a_later_occurrence_is_no_retry_of_it()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        a.Firings.AtEnd = PauseRetry(a, TriggerKey.DefaultGroup);
        await a.FireOnceAsync(trigger: t =>
        {
            t.WithCronSchedule("0/2 * * * * ?");
            RetriedSoon(t);
        });
        Firings.Ended failed = await a.Firings.EndedAsync(e => e.RetryScheduled);
        DateTimeOffset first = a.Store.Asked.First().Occurrence!.ScheduledTime;
        await Eventually.IsTrueAsync(() => DateTimeOffset.UtcNow > first.AddSeconds(2.1));

        await MisfiresAsync(a, failed.Trigger.Key);
        await a.Firings.EndedAsync(2);

        LockOccurrence second = a.Store.Asked.ElementAt(1).Occurrence!;
        Assert.True(second.ScheduledTime > first, $"{second}");
        Assert.False(second.IsRetry);
    }

    [Fact]
    public async Task One_deferral_stands_for_all_firings_of_its_trigger_and_runs_the_newest()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 }));
        TaskLease held = await a.HoldAsync("report");

        await a.FireOnceAsync(trigger: t => t.WithCronSchedule(EachSecond));
        await a.Firings.EndedAsync(3);
        ITrigger deferral = await a.PendingDeferralAsync();
        await a.Scheduler.PauseTrigger(new TriggerKey("work-trigger"), Token);
        DateTimeOffset newest = (await a.Scheduler.GetTrigger(new TriggerKey("work-trigger"), Token))!.PreviousFireTimeUtc!.Value;
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun && e.IsReturned);

        Assert.NotEqual(newest, DateTimeOffset.Parse((string)deferral.JobDataMap["JOBLOCKING_OCCURRENCE"]!, System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(newest, a.Store.Asked.Last().Occurrence!.ScheduledTime);
        Assert.Equal(newest, cluster.Journal.Runs.Last().Context.GetOriginalFireTimeUtc());
    }

    [Theory]
    [InlineData(CronTriggerMisfireInstruction.FireAndProceed, 5)]
    [InlineData(CronTriggerMisfireInstruction.DoNothing, 1)]
    public void The_newest_occurrence_is_the_last_one_that_the_trigger_has_fired_by_its_misfire_policy(CronTriggerMisfireInstruction misfire, int expected)
    {
        // Fired at minute 1, and has missed 2 to 5.
        DateTimeOffset start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        ITrigger cron = TriggerBuilder.Create().StartAt(start).WithCronSchedule("0 * * * * ?", c => c.InTimeZone(TimeZoneInfo.Utc)).Build();
        ITrigger trigger = Substitute.For<ITrigger>();
        trigger.MisfireInstructionCode.Returns((int)misfire);
        trigger.NextFireTimeUtc.Returns(start.AddMinutes(6));
        trigger.GetFireTimeAfter(default).ReturnsForAnyArgs(call => cron.GetFireTimeAfter(call.Arg<DateTimeOffset?>()));
        using ServiceProvider services = new ServiceCollection().AddJobLocking().UseInMemory().Services.BuildServiceProvider();
        LockPolicy policy = services.GetRequiredService<LockPolicies>().Resolve(new TaskLockAttribute("newest"), "job");

        Assert.Equal(start.AddMinutes(expected), Occurrences.NewestOf(trigger, calendar: null, start.AddMinutes(1), policy)!.Value.Time);
    }

    [Theory]
    [InlineData(CronTriggerMisfireInstruction.FireAndProceed, true)]
    [InlineData(CronTriggerMisfireInstruction.IgnoreMisfires, false)]
    public void The_marks_of_a_trigger_that_makes_up_for_each_missed_time_are_kept_as_long_as_any(CronTriggerMisfireInstruction misfire, bool counted)
    {
        DateTimeOffset start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        ITrigger cron = TriggerBuilder.Create().StartAt(start)
            .WithCronSchedule("0 * * * * ?", c => c.InTimeZone(TimeZoneInfo.Utc).WithMisfireInstruction(misfire)).Build();
        using ServiceProvider services = new ServiceCollection().AddJobLocking().UseInMemory().Services.BuildServiceProvider();
        LockPolicy policy = services.GetRequiredService<LockPolicies>().Resolve(new TaskLockAttribute("kept"), "job");

        Assert.Equal(counted, Occurrences.NewestOf(cron, calendar: null, start.AddMinutes(1), policy)!.Value.Following!.Value.Hundredth is not null);
    }

    [Fact]
    public async Task The_start_line_of_a_lock_names_the_triggers_in_the_time_zone_of_the_machine()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            n.Quartz = q => q
                .AddJob<WorkJob>(j => j.WithIdentity(Work.Name))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("local").WithCronSchedule("0 0 2 * * ?"))
                .AddTrigger(t => t.ForJob(Work.Name).WithIdentity("paris").WithCronSchedule(
                    "0 0 2 * * ?", c => c.InTimeZone(TimeZoneInfo.FindSystemTimeZoneById("Europe/Paris"))));
        });

        string line = Assert.Single(a.Logs.Of(1145)).Text;
        Assert.Contains($"in the time zone of this machine, {TimeZoneInfo.Local.Id}: DEFAULT.local", line, StringComparison.Ordinal);
        Assert.DoesNotContain("DEFAULT.paris", line, StringComparison.Ordinal);
    }

    private static void RetriedSoon(TriggerBuilder<IJob> trigger) =>
        trigger.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(50))).WithMisfireThreshold(TimeSpan.FromMilliseconds(500));

    /// <summary>Pauses a group of triggers before the first retry in it is stored.</summary>
    private static Func<Firings.Ended, Task> PauseRetry(Node node, string group) => async ended =>
    {
        if (ended.RetryScheduled)
        {
            await node.Scheduler.PauseTriggerGroups(GroupMatcher<TriggerKey>.GroupEquals(group), Token);
        }
    };

    /// <summary>Lets a paused retry miss its time, and then fire.</summary>
    private static async Task MisfiresAsync(Node node, TriggerKey key)
    {
        DateTimeOffset due = (await Eventually.SeesAsync(
            async () => (await node.Scheduler.GetTrigger(key, Token))!, trigger => trigger is { RetryAttempt: 1 })).NextFireTimeUtc!.Value;
        await Eventually.IsTrueAsync(() => DateTimeOffset.UtcNow > due.AddSeconds(1));
        await node.Scheduler.ResumeTriggerGroups(GroupMatcher<TriggerKey>.GroupEquals(key.Group), Token);
    }
}
