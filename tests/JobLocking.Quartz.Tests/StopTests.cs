using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Quartz;
using Quartz.Extensibility;
using Quartz.Impl;

namespace JobLocking.Quartz.Tests;

/// <summary>What becomes of firings that wait in place when their scheduler stops.</summary>
public sealed class StopTests(SharedRedis redis)
{
    [Theory]
    [InlineData(true, 3600)]
    [InlineData(false, 3600)]
    [InlineData(true, 10)]
    [InlineData(false, 10)]
    public async Task A_firing_that_waits_in_place_fails_visibly_when_the_host_stops_and_its_triggers_end_with_it(bool waitForJobs, int wait)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        Node b = await StartWaitingAsync(cluster, waitForJobs, wait, persistent: false);
        TaskLease held = await a.HoldAsync("report");
        await b.FireOnceAsync();
        await a.QueuedAsync("report", 1);

        await b.StopAsync().WaitAsync(TimeSpan.FromSeconds(8), Token);

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.Single(b.Logs.Of(3004));
        await a.QueuedAsync("report", 0);
        await held.DisposeAsync();
        await using TaskLease free = await a.HoldAsync("report");
        Assert.Empty(cluster.Journal.Runs);
    }

    [Theory]
    [InlineData(true, 3600)]
    [InlineData(false, 3600)]
    [InlineData(true, 10)]
    [InlineData(false, 10)]
    public async Task A_firing_that_waits_in_place_is_deferred_when_the_host_stops_and_its_triggers_outlive_it(bool waitForJobs, int wait)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        Node b = await StartWaitingAsync(cluster, waitForJobs, wait, persistent: true);
        await using TaskLease held = await a.HoldAsync("report");
        await b.FireOnceAsync();
        await a.QueuedAsync("report", 1);

        await b.StopAsync().WaitAsync(TimeSpan.FromSeconds(8), Token);

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        Assert.Empty(b.Logs.Of(3004));
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task An_execution_that_waits_in_place_does_not_start_while_the_host_stops()
    {
        string[] others = ["two", "three", "four"];
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        Node b = await cluster.StartAsync("b", n =>
        {
            foreach (string job in others.Append("one"))
            {
                n.Lock(job, new TaskLockAttribute("report") { Wait = 60 });
            }

            n.Hosted += o => o.WaitForJobsToComplete = true;
        });
        cluster.Journal.HoldFirst();
        await b.FireOnceAsync("one");
        await cluster.Journal.BegunAsync(1);
        foreach (string job in others)
        {
            await b.FireOnceAsync(job);
        }

        await a.QueuedAsync("report", others.Length);
        Task stopping = b.StopAsync();
        await b.Firings.EndedAsync(others.Length);
        await a.QueuedAsync("report", 0);
        cluster.Journal.LetAllEnd();
        await stopping;

        Assert.Single(cluster.Journal.Runs);
        Assert.Equal(others.Length, b.Firings.All.Count(e => e.Outcome == ExecutionOutcome.Failed));
    }

    [Fact]
    public async Task A_scheduler_that_is_shut_down_on_its_own_ends_the_waits_too()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        Node b = await StartWaitingAsync(cluster, waitForJobs: true, wait: 3600, persistent: true);
        await using TaskLease held = await a.HoldAsync("report");
        await b.FireOnceAsync();
        await a.QueuedAsync("report", 1);

        await b.Scheduler.Shutdown(waitForJobsToComplete: true, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(8), Token);

        Assert.Equal(ExecutionOutcome.Failed, Assert.Single(b.Firings.All).Outcome);
        Assert.Single(b.Logs.Of(3004));
        await a.QueuedAsync("report", 0);
    }

    [Fact]
    public async Task A_job_that_blocks_its_thread_does_not_hold_up_the_stop()
    {
        using HostShutdown stop = new(host: null, new SteadyTimeProvider());
        TaskCompletionSource<int> asking = new();
        TaskCompletionSource blocks = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ManualResetEventSlim isOver = new();

        // Outside the synchronization context of the test, in which the job would continue by itself.
        (Task fired, Task stopping) = await Task.Run(() => (FireAsync(), stop.BeginAsync(Token)), Token);
        Assert.False(stopping.IsCompleted);
        Task answering = Task.Run(() => asking.SetResult(1), Token);
        await Task.WhenAny(fired, blocks.Task);
        try
        {
            await stopping.WaitAsync(Eventually.DefaultTimeout, Token);
        }
        finally
        {
            isOver.Set();
            await Task.WhenAll(fired, answering);
        }

        async Task FireAsync()
        {
            await stop.WatchAsync(asking.Task);
            blocks.SetResult();
            isOver.Wait();
        }
    }

    private static Task<Node> StartWaitingAsync(Cluster cluster, bool waitForJobs, int wait, bool persistent) => cluster.StartAsync("b", n =>
    {
        n.Lock(new TaskLockAttribute("report") { Wait = wait });
        n.Hosted += o => o.WaitForJobsToComplete = waitForJobs;
        if (persistent)
        {
            n.Quartz = q => q.UseJobStore(services => new OutlivingStore(services));
        }
    });

    /// <summary>A store that takes as long as a database, and claims to be persistent.</summary>
    private sealed class OutlivingStore(IServiceProvider services) : DelegatingJobStore(ActivatorUtilities.CreateInstance<RAMJobStore>(services))
    {
        public override bool SupportsPersistence => true;

        public override async ValueTask<ScheduleTriggerResult> StoreTrigger(IOperableTrigger trigger, TriggerConflict onConflict, CancellationToken cancellationToken = default)
        {
            await Task.Delay(50, cancellationToken);
            return await base.StoreTrigger(trigger, onConflict, cancellationToken);
        }
    }
}
