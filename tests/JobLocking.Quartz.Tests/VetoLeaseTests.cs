using System.Collections.Concurrent;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>
/// Where skips or deferrals are vetoes, a firing has its lease before Quartz has decided that the job runs. If the job does not run, the
/// lease is given back.
/// </summary>
public sealed class VetoLeaseTests(SharedRedis redis)
{
    private static readonly JobKey Job = new(Work.Name);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_veto_of_another_listener_gives_the_lease_back(bool listensBefore)
    {
        await using Cluster cluster = new(redis);
        OtherListener vetoes = new() { Veto = _ => true };
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"), n => n.Quartz = q => _ = listensBefore ? q.AddTriggerListener(vetoes) : q);
        if (!listensBefore)
        {
            a.Scheduler.ListenerManager.AddTriggerListener(vetoes);
        }

        await a.FireOnceAsync();
        Firings.Ended vetoed = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Vetoed, vetoed.Outcome);
        Assert.Null(vetoed.Report);
        await GivenBackAsync(a, "another listener vetoed");
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task An_occurrence_that_another_listener_vetoed_is_left_to_other_nodes()
    {
        await using Cluster cluster = new(redis);
        DateTimeOffset at = DateTimeOffset.UtcNow.AddSeconds(1);
        TaskLockAttribute once = new("report") { OncePerOccurrence = OncePerOccurrence.Always, DeferBy = 1 };
        Node a = await VetoTests.StartAsync(cluster, once, n => n.Quartz = q => q.AddTriggerListener(new OtherListener { Veto = _ => true }));
        Node b = await cluster.StartAsync("b", n => n.Lock(once));

        await a.FireOnceAsync(trigger: t => t.StartAt(at));
        await GivenBackAsync(a, "another listener vetoed");
        await b.FireOnceAsync(trigger: t => t.StartAt(at));

        await b.Firings.EndedAsync(e => e.IsRun);
        Assert.Single(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_trigger_listener_that_throws_gives_the_lease_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"));
        a.Scheduler.ListenerManager.AddTriggerListener(new OtherListener { Veto = _ => throw new InvalidOperationException("broken") });

        await a.FireOnceAsync();

        await GivenBackAsync(a, "another listener failed");
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_job_listener_that_throws_gives_the_lease_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"));
        a.Firings.AtBegin = _ => throw new InvalidOperationException("broken");

        await a.FireOnceAsync();

        await GivenBackAsync(a, "another listener failed");
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_middleware_outside_the_lock_that_ends_the_firing_gives_the_lease_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Scheduler = "inside";
            n.Services = s => s.AddQuartz("outside", q => q
                .AddJobMiddleware(new EndingMiddleware())
                .AddTaskLocks(o =>
                {
                    o.SkipAs = FiringRecord.Veto;
                    o.ForJob(Job, new TaskLockAttribute("report"));
                }));
        });
        IScheduler outside = await a.Services.GetRequiredKeyedService<ISchedulerFactory>("outside").GetScheduler(Token);

        await outside.ScheduleJob(
            JobBuilder.Create<WorkJob>().WithIdentity(Job).Build(), TriggerBuilder.Create().StartNow().Build(), cancellationToken: Token);

        await GivenBackAsync(a, "a middleware outside the lock");
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_job_that_cannot_be_created_has_not_asked_for_its_lock()
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"));

        await a.FireAsync<BrokenJob>(Work.Name);

        TriggerKey trigger = new($"{Work.Name}-trigger");
        await Eventually.IsTrueAsync(async () => await a.Scheduler.GetTriggerState(trigger, Token) == TriggerState.Error);
        Assert.Empty(a.Store.Asked);
    }

    [Fact]
    public async Task A_scheduler_that_stops_on_the_way_to_the_job_gives_the_lease_back_and_the_job_asks_again()
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"), n => n.Hosted += o => o.WaitForJobsToComplete = true);
        Node b = await cluster.StartAsync("b");
        TaskCompletionSource goOn = OnTheWay(a, _ => true, out Task reached);
        await a.FireOnceAsync();
        await reached;
        Assert.Null(await b.Locks.TryAcquireAsync("report", cancellationToken: Token));

        Task stopped = a.StopAsync();
        await GivenBackAsync(a, "the scheduler stops");
        Assert.Empty(cluster.Journal.Runs);
        goOn.SetResult();
        await stopped;

        Assert.True((await a.Firings.EndedAsync(1)).IsRun);
        Assert.Equal(2, a.Store.Asked.Count(request => request.Holder.Job == $"DEFAULT.{Work.Name}"));
        await using TaskLease free = await b.HoldAsync("report");
    }

    [Fact]
    public async Task A_scheduler_that_does_not_wait_for_its_jobs_leaves_no_lease_behind()
    {
        await using Cluster cluster = new(redis);
        Node a = await VetoTests.StartAsync(cluster, new TaskLockAttribute("report"));
        Node b = await cluster.StartAsync("b");
        TaskCompletionSource goOn = OnTheWay(a, _ => true, out Task reached);
        await a.FireOnceAsync();
        await reached;

        await a.StopAsync();

        await using TaskLease free = await b.HoldAsync("report");
        goOn.SetResult();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_firing_that_is_late_gives_the_lease_back_and_asks_again_when_it_reaches_the_job(bool comesFromDeferral)
    {
        await using Cluster cluster = new(redis);
        HandoverTimers timers = new();
        Node a = await VetoTests.StartAsync(
            cluster, new TaskLockAttribute("report") { DeferBy = 60 }, n => n.Services = s => s.AddSingleton<TimeProvider>(timers));
        TaskCompletionSource goOn = OnTheWay(a, trigger => !comesFromDeferral || trigger.Key.Group == "joblocking", out Task reached);
        if (comesFromDeferral)
        {
            TaskLease held = await a.HoldAsync("report");
            await a.FireOnceAsync();
            await a.Firings.EndedAsync(e => e.IsDeferred);
            await held.DisposeAsync();
        }
        else
        {
            await a.FireOnceAsync();
        }

        await reached;
        Assert.Empty(a.Logs.Of(3027));
        timers.Elapse();
        await GivenBackAsync(a, "within 60 seconds");
        goOn.SetResult();

        await a.Firings.EndedAsync(e => e.IsRun);
        Assert.Single(cluster.Journal.Runs);
        Assert.Single(a.Logs.Of(3027));
    }

    /// <summary>Waits until the lock is free. Its lease would be renewed for ever.</summary>
    private static async Task GivenBackAsync(Node node, string why)
    {
        await Eventually.IsTrueAsync(() => node.Logs.Of(3027).Any());
        Assert.Contains(why, Assert.Single(node.Logs.Of(3027)).Text, StringComparison.Ordinal);
        await Eventually.IsTrueAsync(async () =>
        {
            await using TaskLease? free = await node.Locks.TryAcquireAsync("report", cancellationToken: Token);
            return free is not null;
        });
    }

    /// <summary>The firings of some triggers stop between the decision about their lock and their job.</summary>
    private static TaskCompletionSource OnTheWay(Node node, Func<ITrigger, bool> stops, out Task reached)
    {
        TaskCompletionSource goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource reaches = new(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Firings.AtBegin = trigger =>
        {
            if (!stops(trigger))
            {
                return Task.CompletedTask;
            }

            reaches.TrySetResult();
            return goOn.Task;
        };
        reached = reaches.Task;
        return goOn;
    }

    private sealed class OtherListener : ITriggerListener
    {
        public required Func<ITrigger, bool> Veto { get; init; }

        public string Name => "other";

        public ValueTask<bool> VetoJobExecution(ITrigger trigger, IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            new(Veto(trigger));
    }

    private sealed class EndingMiddleware : IJobExecutionMiddleware
    {
        public ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default) => default;
    }

    private sealed class BrokenJob : IJob
    {
        public BrokenJob() => throw new InvalidOperationException("broken");

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => default;
    }

    /// <summary>The time of the system, except that the time of the handover passes when the test says so.</summary>
    private sealed class HandoverTimers : TimeProvider
    {
        private readonly ConcurrentQueue<(TimerCallback Callback, object? State)> _handovers = [];

        public void Elapse()
        {
            foreach ((TimerCallback callback, object? state) in _handovers)
            {
                callback(state);
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime == VetoListener.LongestHandover && callback.Method.DeclaringType?.FullName?.Contains(nameof(VetoListener), StringComparison.Ordinal) == true)
            {
                _handovers.Enqueue((callback, state));
                return base.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
