using JobLocking.TestKit;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class LeaseTests(SharedRedis redis)
{
    [Fact]
    public async Task A_job_without_a_lock_has_no_lease()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<TellingJob>("free");
        await a.Firings.EndedAsync(1);

        Assert.Equal("none", Assert.Single(cluster.Journal.Runs).Told);
        Assert.Empty(a.Store.Asked);
    }

    [Fact]
    public async Task A_job_sees_its_lease_which_ends_with_it()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));

        await a.FireAsync<TellingJob>(Work.Name);
        await a.Firings.EndedAsync(1);

        Assert.Equal("report", Assert.Single(cluster.Journal.Runs).Told);
        await using TaskLease _ = await a.HoldAsync("report");
    }

    [Fact]
    public async Task A_job_that_fails_gives_its_lock_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("It failed.");

        await a.FireOnceAsync();
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.Contains("It failed.", $"{ended.Error}", StringComparison.Ordinal);
        await using TaskLease _ = await a.HoldAsync("report");
    }

    [Fact]
    public async Task A_lost_lease_interrupts_the_job_and_fails_it_so_that_it_is_retried()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.Zero)));
        await cluster.Journal.BegunAsync(1);

        HeldLock seen = await a.Locks.ListAsync(cancellationToken: Token).SingleAsync(Token);
        Assert.True(await a.Locks.BreakAsync(seen.Name, seen.FencingToken!.Value, Token));
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.True(ended.RetryScheduled);
        Assert.Contains("report", Assert.IsType<TaskLockLostException>(ended.Error!.InnerException).Message, StringComparison.Ordinal);
        await a.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task A_job_that_notices_the_loss_by_the_lease_alone_fails_too()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));

        await a.FireAsync<WaitingForLossJob>(Work.Name);
        await cluster.Journal.BegunAsync(1);
        HeldLock seen = await a.Locks.ListAsync(cancellationToken: Token).SingleAsync(Token);
        await a.Locks.BreakAsync(seen.Name, seen.FencingToken!.Value, Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.IsType<TaskLockLostException>(ended.Error!.InnerException);
    }

    [Fact]
    public async Task An_interrupt_by_other_code_stays_a_cancellation()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report")));
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync();
        await cluster.Journal.BegunAsync(1);

        await a.Scheduler.Interrupt(new JobKey(Work.Name), Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.Equal(ExecutionOutcome.Cancelled, ended.Outcome);
        await using TaskLease _ = await a.HoldAsync("report");
    }

    [Fact]
    public async Task A_job_that_drains_at_shutdown_holds_its_lock_until_it_ends()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            n.Hosted += o => o.WaitForJobsToComplete = true;
        });
        Node b = await cluster.StartAsync("b");
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync();
        await cluster.Journal.BegunAsync(1);

        Task stopping = a.StopAsync();
        await Eventually.IsTrueAsync(() => a.Scheduler.Status == SchedulerStatus.ShuttingDown);
        Assert.Null(await b.Locks.TryAcquireAsync("report", cancellationToken: Token));
        cluster.Journal.LetAllEnd();
        await stopping;

        await using TaskLease _ = await b.HoldAsync("report");
    }

    [Fact]
    public async Task A_job_that_shutdown_cancels_gives_its_lock_back_at_once()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            n.Hosted += o => o.WaitForJobsToComplete = true;
            n.Quartz = q => q.ConfigureScheduler(s => s.ShutdownJobInterruption = ShutdownJobInterruption.Always);
        });
        Node b = await cluster.StartAsync("b");
        cluster.Journal.HoldFirst();
        await a.FireOnceAsync();
        await cluster.Journal.BegunAsync(1);

        await a.StopAsync();

        await using TaskLease _ = await b.HoldAsync("report");
    }

    [Fact]
    public async Task A_shutdown_while_the_lock_is_requested_fails_the_firing_so_that_it_is_retried()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAskingAsync(cluster);

        await a.Scheduler.Shutdown(waitForJobsToComplete: true, Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.True(ended.RetryScheduled);
        Assert.Equal(LogLevel.Error, Assert.Single(a.Logs.Of(3004)).Level);
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task An_interrupt_while_the_lock_is_requested_stays_a_cancellation()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartAskingAsync(cluster);

        await a.Scheduler.Interrupt(new JobKey(Work.Name), Token);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.Equal(ExecutionOutcome.Cancelled, ended.Outcome);
        Assert.Equal(LogLevel.Information, Assert.Single(a.Logs.Of(3005)).Level);
        Assert.Empty(cluster.Journal.Runs);
    }

    /// <summary>A node whose firing waits for the answer of the store, until it is cancelled.</summary>
    private static async Task<Node> StartAskingAsync(Cluster cluster)
    {
        Node node = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report"));
            n.Hosted += o => o.WaitForJobsToComplete = true;
            n.Quartz = q => q.ConfigureScheduler(s => s.ShutdownJobInterruption = ShutdownJobInterruption.Always);
        });
        node.Store.BeforeAnswer = _ => new TaskCompletionSource().Task;
        await node.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromHours(1))));
        await Eventually.IsTrueAsync(() => node.Store.Asked.Count == 1);
        return node;
    }

    internal sealed class TellingJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Current?.Name ?? "none");
    }

    internal sealed class WaitingForLossJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            await journal.RunAsync(context, cancellationToken);
            await Task.Delay(Timeout.Infinite, lease.Required.Lost);
        }
    }
}
