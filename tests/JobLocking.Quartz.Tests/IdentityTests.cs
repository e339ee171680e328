using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class IdentityTests(SharedRedis redis)
{
    [Fact]
    public async Task Two_jobs_never_have_one_identity()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<LockedJob>("c", t => t.WithIdentity("1"), j => j.WithIdentity("c", "a.b"));
        await a.Firings.EndedAsync(1);
        await a.FireAsync<LockedJob>("b.c", t => t.WithIdentity("2"), j => j.WithIdentity("b.c", "a"));
        await a.Firings.EndedAsync(2);
        await a.FireAsync<LockedJob>("c", t => t.WithIdentity("3").UsingJobData("region", "eu"));
        await a.Firings.EndedAsync(3);
        await a.FireAsync<LockedJob>("c@DEFAULT.3", t => t.WithIdentity("4"));
        await a.Firings.EndedAsync(4);

        Assert.Equal(["a%2Eb.c", "a.b.c", "DEFAULT.c@DEFAULT.3", "DEFAULT.c%40DEFAULT.3"], a.Store.Asked.Select(r => r.Holder.Job));
    }

    [Fact]
    public async Task Jobs_of_one_type_with_generated_keys_that_are_added_at_run_time_are_not_skipped_for_each_other()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        cluster.Journal.HoldFirst();
        await a.FireAsync<LockedJob>($"{Guid.NewGuid()}", Hourly);
        await cluster.Journal.BegunAsync(1);

        await a.FireAsync<LockedJob>($"{Guid.NewGuid()}", Hourly);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");

        static void Hourly(TriggerBuilder<IJob> trigger) =>
            trigger.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_now_of_the_same_class_leaves_the_occurrences_of_a_job_without_a_name_alone(bool atStart)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Quartz = q =>
        {
            q.ScheduleJob<LockedJob>(t => t.WithCronSchedule("* * * * * ?"));
            if (atStart)
            {
                q.ScheduleJob<LockedJob>(t => t.StartNow());
            }
        });
        await cluster.Journal.BegunAsync(1);
        await a.FireAsync<LockedJob>($"{Guid.NewGuid()}");
        await a.FireAsync<LockedJob>($"{Guid.NewGuid()}");
        await a.Firings.EndedAsync(e => e.Trigger is ISimpleTrigger);
        int before = a.Store.Asked.Count;

        await Eventually.IsTrueAsync(() => a.Store.Asked.Skip(before).Count(r => r.Occurrence is not null) >= 2);

        Assert.Equal([typeof(LockedJob).FullName!], a.Store.Asked.Select(r => r.Occurrence?.Job).OfType<string>().Distinct());
        Assert.Empty(a.Logs.Of(3016));
    }

    [Fact]
    public async Task A_job_without_a_name_that_is_scheduled_again_keeps_its_occurrences()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        JobKey first = new($"{Guid.NewGuid()}");
        await a.FireAsync<LockedJob>(first.Name, t => t.WithCronSchedule("* * * * * ?"));
        await a.Firings.EndedAsync(1);

        await a.Scheduler.DeleteJob(first, Token);
        await a.FireAsync<LockedJob>($"{Guid.NewGuid()}", t => t.WithCronSchedule("* * * * * ?"));
        await a.Firings.EndedAsync(e => e.Job != first);

        Assert.All(a.Store.Asked, r => Assert.Equal(typeof(LockedJob).FullName, r.Occurrence!.Job));
        Assert.Empty(a.Logs.Of(3016));
    }

    [Fact]
    public async Task Triggers_with_data_of_their_own_are_not_skipped_for_each_other()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 60 }));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync(trigger: t => t.WithIdentity("eu").UsingJobData("region", "eu"));
        await cluster.Journal.BegunAsync(1);

        await a.Scheduler.ScheduleJob(Recurring("us").UsingJobData("region", "us").Build(), cancellationToken: Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
    }

    [Fact]
    public async Task A_trigger_with_data_of_its_own_is_the_same_job_on_every_node()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        Node b = await cluster.StartAsync("b", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync(trigger: t => t.UsingJobData("region", "eu"));
        await cluster.Journal.BegunAsync(1);

        await b.FireRecurringAsync(trigger: t => t.UsingJobData("region", "eu"));

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsSkipped, $"{ended}");
    }

    [Fact]
    public async Task Triggers_with_data_of_their_own_that_fire_at_one_time_have_an_occurrence_each()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1 }));
        await a.Scheduler.AddJob(JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).StoreDurably().Build(), cancellationToken: Token);
        DateTimeOffset at = Node.InAMoment();
        string[] regions = ["eu", "us"];

        foreach (string region in regions)
        {
            await a.Scheduler.ScheduleJob(Recurring(region).UsingJobData("region", region).StartAt(at).WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour)).Build(), cancellationToken: Token);
        }

        await cluster.Journal.BegunAsync(2);
        Assert.Equal(regions, cluster.Journal.Runs.Select(r => (string)r.Trigger.JobDataMap["region"]!).Order());
    }

    [Fact]
    public async Task A_deferral_is_the_same_job_as_its_trigger()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Work.Name, new TaskLockAttribute("report") { DeferBy = 1 });
            n.Lock(Work.Other, new TaskLockAttribute("other") { DeferBy = 1 });
        });
        TaskLease report = await a.HoldAsync("report");
        TaskLease other = await a.HoldAsync("other");

        await a.FireOnceAsync(Work.Name, t => t.UsingJobData("region", "eu"));
        await a.FireOnceAsync(Work.Other);
        await a.Firings.EndedAsync(2);
        await report.DisposeAsync();
        await other.DisposeAsync();
        await cluster.Journal.BegunAsync(2);

        Assert.Equal(
            ["DEFAULT.other", "DEFAULT.work@DEFAULT.work-trigger"],
            a.Store.Asked.Select(r => r.Holder.Job).OfType<string>().Distinct().Order());
    }

    [Theory]
    [InlineData("region", true)]
    [InlineData(SchedulerConstants.JobInput, true)]
    [InlineData(SchedulerConstants.TraceParent, false)]
    [InlineData(SchedulerConstants.FailedJobOriginalTriggerName, false)]
    [InlineData("JOBLOCKING_DEFERRALS", false)]
    public void What_Quartz_and_the_locks_keep_with_a_trigger_is_not_data_of_its_own(string key, bool own) =>
        Assert.Equal(own, TriggerData.IsOwn(new JobDataMap { [key] = "1" }));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Occurrences_of_a_trigger_that_differs_on_each_node_are_refused(bool atStart)
    {
        await using Cluster cluster = new(redis);
        ITrigger generated = TriggerBuilder.Create().ForJob(Work.Name).UsingJobData("region", "eu").StartNow().Build();
        Task<Node> starting = cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always });
            n.Quartz = q =>
            {
                q.AddJob<WorkJob>(j => j.WithIdentity(Work.Name).StoreDurably());
                if (atStart)
                {
                    q.AddTrigger(t => t.ForJob(Work.Name).UsingJobData("region", "eu").StartAt(DateTimeOffset.UtcNow.AddHours(1)));
                }
            };
        });

        Exception error;
        if (atStart)
        {
            error = await Assert.ThrowsAsync<TaskLockException>(() => starting);
        }
        else
        {
            Node a = await starting;
            await a.Scheduler.ScheduleJob(generated, cancellationToken: Token);
            error = (await a.Firings.EndedAsync(1)).Error!;
        }

        Assert.Contains("has job data of its own and a key that looks generated", error.Message, StringComparison.Ordinal);
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task Occurrences_of_two_jobs_that_only_their_type_identifies_stop_the_host()
    {
        await using Cluster cluster = new(redis);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync("a", n => n.Quartz = q => q
            .ScheduleJob<OnceJob>(t => t.StartAt(Node.InAMoment().AddHours(1)))
            .ScheduleJob<OnceJob>(t => t.StartAt(Node.InAMoment().AddHours(2)))));

        Assert.Contains($"other jobs of type {typeof(OnceJob)} have such keys too", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_jobs_that_only_their_type_identifies_are_not_skipped_for_each_other()
    {
        await using Cluster cluster = new(redis);
        cluster.Journal.HoldFirst();
        Node a = await cluster.StartAsync("a", n => n.Quartz = q => q
            .ScheduleJob<LockedJob>(t => t.StartNow().WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever()))
            .ScheduleJob<LockedJob>(t => t.StartNow().WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever())));

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
    }

    [Fact]
    public async Task A_job_that_is_registered_by_an_interface_has_the_lock_of_its_class()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Services = s => s.AddTransient<IReport, Report>().AddTransient<IFree, Free>().AddTransient<INumbers, Numbers>();
            n.Quartz = q => q
                .AddJob<IReport>(j => j.WithIdentity("report").StoreDurably())
                .AddJob<IFree>(j => j.WithIdentity("free").StoreDurably())
                .AddJob<INumbers>(j => j.WithIdentity("numbers").UsingJobData(SchedulerConstants.JobInput, 17).StoreDurably());
        });

        foreach (string job in new[] { "report", "free", "numbers" })
        {
            await a.Scheduler.TriggerJob(new JobKey(job), cancellationToken: Token);
        }

        await cluster.Journal.BegunAsync(3);
        Assert.Equal(["of the class", "of the method of 17"], a.Store.Asked.Select(r => r.Name).Order());
    }

    private static TriggerBuilder<IJob> Recurring(string name) =>
        TriggerBuilder.Create().WithIdentity(name).ForJob(Work.Name).StartNow()
            .WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());

    internal interface IReport : IJob;

    internal interface IFree : IJob;

    internal interface INumbers : IJob<int>;

    [TaskLock("locked")]
    internal sealed class LockedJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    [TaskLock("once", OncePerOccurrence = OncePerOccurrence.Always)]
    internal sealed class OnceJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    [TaskLock("of the class")]
    internal sealed class Report(Journal journal) : IReport
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    internal sealed class Free(Journal journal) : IFree
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    internal sealed class Numbers(Journal journal) : INumbers
    {
        [TaskLock("of the method of {input}")]
        public ValueTask Execute(IJobExecutionContext context, int input, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }
}
