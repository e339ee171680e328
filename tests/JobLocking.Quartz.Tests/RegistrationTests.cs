using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class RegistrationTests(SharedRedis redis)
{
    [Fact]
    public async Task Adding_the_locks_twice_takes_each_lock_once_and_keeps_both_configurations()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(Work.Name, new TaskLockAttribute("one"));
            n.Quartz = q => q.AddTaskLocks(o => o.ForJob(new JobKey(Work.Other), new TaskLockAttribute("two")));
        });

        await a.FireOnceAsync(Work.Name);
        await a.FireOnceAsync(Work.Other);
        await a.Firings.EndedAsync(2);

        Assert.Equal(["one", "two"], a.Store.Asked.Select(r => r.Name).Order());
    }

    [Fact]
    public async Task A_named_scheduler_has_its_locks_without_further_setup()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Scheduler = "reports";
            n.Lock(new TaskLockAttribute("report"));
            n.Services = s => s
                .AddQuartz("locked otherwise", q => q.AddTaskLocks(o => o.ForJob(new JobKey(Work.Name), new TaskLockAttribute("other"))))
                .AddQuartz("not locked");
        });

        foreach (string name in new[] { "reports", "locked otherwise", "not locked" })
        {
            IScheduler scheduler = await a.Services.GetRequiredKeyedService<ISchedulerFactory>(name).GetScheduler(Token);
            await scheduler.ScheduleJob(
                JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).Build(), TriggerBuilder.Create().StartNow().Build(), cancellationToken: Token);
        }

        await cluster.Journal.BegunAsync(3);
        Assert.Equal(
            ["other by Quartz/locked otherwise", "report by Quartz/reports"],
            a.Store.Asked.Select(r => $"{r.Name} by {r.Holder.Scheduler}").Order());
    }

    [Fact]
    public async Task A_library_can_add_the_locks_to_all_schedulers()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Services = s => s
            .AddQuartz("reports")
            .ConfigureAllQuartzSchedulers(q => q.AddTaskLocks(o => o.ForJob(new JobKey(Work.Name), new TaskLockAttribute("report:{region}")))));
        IScheduler reports = await a.Services.GetRequiredKeyedService<ISchedulerFactory>("reports").GetScheduler(Token);

        await reports.ScheduleJob(
            JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).UsingJobData("region", "eu").Build(), TriggerBuilder.Create().StartNow().Build(), cancellationToken: Token);
        await a.FireOnceAsync(trigger: t => t.UsingJobData("region", "us"));
        await cluster.Journal.BegunAsync(2);

        Assert.Equal(
            ["report:eu by Quartz/reports", "report:us by Quartz/QuartzScheduler"],
            a.Store.Asked.Select(r => $"{r.Name} by {r.Holder.Scheduler}").Order());
    }

    [Fact]
    public async Task A_scheduler_that_is_added_or_restarted_at_run_time_has_its_locks()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Scheduler = "reports";
            n.Lock(new TaskLockAttribute("report"));
        });
        ISchedulerRuntime runtime = a.Services.GetRequiredService<ISchedulerRuntime>();

        IScheduler restarted = await runtime.Restart("reports", cancellationToken: Token);
        IScheduler added = await runtime.Add(
            "added", q => q.AddTaskLocks(o => o.ForJob(new JobKey(Work.Name), new TaskLockAttribute("added"))), cancellationToken: Token);
        foreach (IScheduler scheduler in new[] { restarted, added })
        {
            await scheduler.ScheduleJob(
                JobBuilder.Create<WorkJob>().WithIdentity(Work.Name).Build(), TriggerBuilder.Create().StartNow().Build(), cancellationToken: Token);
        }

        await cluster.Journal.BegunAsync(2);
        Assert.Equal(
            ["added by Quartz/added", "report by Quartz/reports"],
            a.Store.Asked.Select(r => $"{r.Name} by {r.Holder.Scheduler}").Order());
    }

    [Fact]
    public async Task A_delegate_job_has_the_lock_of_its_key()
    {
        await using Cluster cluster = new(redis);
        TaskCompletionSource<string> ran = new();
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock("delegated", new TaskLockAttribute("report"));
            n.Quartz = q => q.ScheduleJob("delegated", (ITaskLeaseAccessor lease) => { ran.TrySetResult(lease.Required.Name); }, t => t.StartNow());
        });

        Assert.Equal("report", await ran.Task.WaitAsync(Token));
        Assert.Equal("DEFAULT.delegated", Assert.Single(a.Store.Asked).Holder.Job);
    }

    [Fact]
    public async Task A_lock_given_by_key_replaces_that_of_the_type_and_a_lock_of_the_method_too()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock("by key", new TaskLockAttribute("of the key")));

        await a.FireAsync<DecoratedJob>("by key");
        await a.FireAsync<DecoratedJob>("by type");
        await a.FireAsync<DecoratedTwiceJob>("by method");
        await a.Firings.EndedAsync(3);

        Assert.Equal(["of the key", "of the method", "of the type"], a.Store.Asked.Select(r => r.Name).Order());
    }

    [Fact]
    public async Task Without_the_engine_the_host_does_not_start()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddQuartz(q => q.AddTaskLocks());
        using IHost host = builder.Build();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync(Token));

        Assert.Contains("Fix: builder.Services.AddJobLocking()", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_lock_given_by_key_stops_the_host()
    {
        await using Cluster cluster = new(redis);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(
            () => cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { Expire = 0 })));

        Assert.Contains("Lock 'report' of job DEFAULT.work: Expire is 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_locks_for_one_key_stop_the_host()
    {
        await using Cluster cluster = new(redis);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("one"));
            n.Lock(new TaskLockAttribute("two"));
        }));

        Assert.Contains("'one' and 'two'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Occurrences_of_a_job_that_differs_on_each_node_stop_the_host_before_it_fires(bool awaitApplicationStarted)
    {
        await using Cluster cluster = new(redis);
        JobKey generated = new(Guid.NewGuid().ToString());
        bool ran = false;

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync("a", n =>
        {
            n.TaskLocks = o => o.ForJob(generated, new TaskLockAttribute("report") { OncePerOccurrence = OncePerOccurrence.Always });
            n.Hosted = o => o.AwaitApplicationStarted = awaitApplicationStarted;
            n.Quartz = q => q
                .AddJob("delegated", () => { ran = true; }, j => j.WithIdentity(generated))
                .AddTrigger(t => t.ForJob(generated).StartNow());
        }));

        Assert.Contains($"Lock 'report' of job DEFAULT.{generated.Name}: OncePerOccurrence is Always", error.Message, StringComparison.Ordinal);
        Assert.Contains("WithIdentity", error.Message, StringComparison.Ordinal);
        Assert.False(ran);
    }

    [Fact]
    public async Task A_lock_for_a_key_that_no_job_has_causes_a_warning()
    {
        await using Cluster cluster = new(redis);

        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock("known", new TaskLockAttribute("one"));
            n.Lock("unknown", new TaskLockAttribute("two"));
            n.Quartz = q => q.AddJob<WorkJob>(j => j.WithIdentity("known").StoreDurably());
        });

        Assert.Contains("'two' was given to job DEFAULT.unknown", Assert.Single(a.Logs.Of(3003)).Text, StringComparison.Ordinal);
    }

    [TaskLock("of the type")]
    internal sealed class DecoratedJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    [TaskLock("hidden by the method")]
    internal sealed class DecoratedTwiceJob(Journal journal) : IJob
    {
        [TaskLock("of the method")]
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }
}
