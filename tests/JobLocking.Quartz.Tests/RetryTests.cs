using JobLocking.Engine;
using JobLocking.Policy;
using NSubstitute;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz.Tests;

public sealed class RetryTests(SharedRedis redis)
{
    public static TheoryData<string> Policies =>
    [
        RetryPolicy.Fixed(5, TimeSpan.FromSeconds(3)).ToStoredString(),
        RetryPolicy.Exponential(5, TimeSpan.FromSeconds(3)).ToStoredString(),
        RetryPolicy.Exponential(5, TimeSpan.FromSeconds(3), 3, TimeSpan.FromSeconds(30)).ToStoredString(),
        RetryPolicy.Explicit(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(9)).ToStoredString(),
    ];

    [Theory]
    [MemberData(nameof(Policies))]
    public void The_rest_of_a_policy_continues_with_its_delays(string stored)
    {
        RetryPolicy policy = RetryPolicy.Parse(stored);
        for (int spent = 1; spent < policy.MaxAttempts; spent++)
        {
            RetryPolicy remaining = RemainingRetries.Of(After(spent, policy))!;

            Assert.Equal(
                Enumerable.Range(spent + 1, policy.MaxAttempts - spent).Select(policy.DelayFor),
                Enumerable.Range(1, remaining.MaxAttempts).Select(remaining.DelayFor));
        }
    }

    [Fact]
    public void Nothing_remains_of_a_policy_that_is_spent() =>
        Assert.Equal(RetryPolicy.None, RemainingRetries.Of(After(2, RetryPolicy.Fixed(2, TimeSpan.FromSeconds(3)))));

    [Fact]
    public void A_policy_whose_delays_exceed_the_largest_time_span_remains_valid() =>
        Assert.Equal(TimeSpan.MaxValue, RemainingRetries.Of(After(200, RetryPolicy.Exponential(300, TimeSpan.FromDays(1))))!.InitialDelay);

    [Theory]
    [InlineData(LockConflict.Auto)]
    [InlineData(LockConflict.Skip)]
    [InlineData(LockConflict.Defer)]
    public async Task A_retry_that_finds_the_lock_taken_is_deferred(LockConflict onConflict)
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1, OnConflict = onConflict }));
        TaskLease held = await FailWhileTheLockIsTakenAsync(cluster, a, RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100)));

        Firings.Ended ended = await a.Firings.EndedAsync(2);
        Assert.True(ended.IsDeferred, $"{ended}");
        await held.DisposeAsync();

        await a.Firings.EndedAsync(e => e.IsRun);
        Assert.Equal(2, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_deferral_keeps_the_remaining_retries_and_adds_none()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        TaskLease held = await FailWhileTheLockIsTakenAsync(cluster, a, RetryPolicy.Fixed(2, TimeSpan.FromMilliseconds(100)));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("again");
        await held.DisposeAsync();

        Firings.Ended last = await a.Firings.EndedAsync(e => e.Outcome == ExecutionOutcome.Failed && !e.RetryScheduled);

        Assert.True(last.IsReturned);
        Assert.Equal([true, false, true, false], a.Firings.All.Select(e => e.RetryScheduled));
        Assert.Equal(3, cluster.Journal.Runs.Count);
    }

    [Fact]
    public async Task A_deferral_does_not_restart_the_retry_policy_of_the_job()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n =>
        {
            n.Lock(new TaskLockAttribute("report") { DeferBy = 1 });
            n.Quartz = q => q.UseDefaultRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100)));
        });
        TaskLease held = await FailWhileTheLockIsTakenAsync(cluster, a, policy: null);
        await a.Firings.EndedAsync(e => e.IsDeferred);
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("again");
        await held.DisposeAsync();

        Firings.Ended last = await a.Firings.EndedAsync(e => e.Outcome == ExecutionOutcome.Failed && e.IsReturned);

        Assert.False(last.RetryScheduled);
    }

    [Fact]
    public async Task Under_Fail_the_firing_fails_and_its_retry_policy_brings_it_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OnConflict = LockConflict.Fail }));
        TaskLease held = await a.HoldAsync("report");
        a.Firings.AtEnd = _ => held.DisposeAsync().AsTask();

        await a.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        Firings.Ended failed = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Failed, failed.Outcome);
        Assert.True(failed.RetryScheduled);
        Assert.Contains("'report' is held by tests on a, code", Assert.IsType<TaskLockConflictException>(failed.Error!.InnerException).Message, StringComparison.Ordinal);
        await a.Firings.EndedAsync(e => e.IsRun);
    }

    [Fact]
    public async Task A_job_that_refires_itself_is_a_second_attempt()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1, OnConflict = LockConflict.Skip, OncePerOccurrence = OncePerOccurrence.Always }));
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new JobExecutionException("once more") { RefireImmediately = true } : Task.CompletedTask;

        await a.FireScheduledAsync(Node.InAMoment());
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Equal([false, true], a.Store.Asked.Select(r => r.Occurrence!.IsRetry));
    }

    [Fact]
    public async Task The_retry_of_a_run_that_had_been_deferred_starts_a_new_wait()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { DeferBy = 1 }));
        cluster.Journal.Do = (_, _) => throw new InvalidOperationException("at first");
        TaskLease held = await a.HoldAsync("report");
        await a.FireOnceAsync(trigger: t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromMilliseconds(100))));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        DateTimeOffset? firstDeferredAt = StoredDeferral.ReadFrom((await a.PendingDeferralAsync()).JobDataMap)!.State!.FirstDeferredAt;
        await held.DisposeAsync();

        a.Firings.AtEnd = async e => held = e.RetryScheduled ? await a.HoldAsync("report") : held;
        await a.Firings.EndedAsync(e => e.RetryScheduled);
        int before = a.Firings.All.Count;
        Firings.Ended retry = await a.Firings.EndedAsync(before + 1);
        ITrigger deferral = await a.PendingDeferralAsync();
        await held.DisposeAsync();

        Assert.True(retry.IsDeferred, $"{retry}");
        Assert.Equal(1, retry.Report!.Metrics!["lock.deferrals"]);
        Assert.NotEqual(firstDeferredAt, StoredDeferral.ReadFrom(deferral.JobDataMap)!.State!.FirstDeferredAt);
    }

    private static async Task<TaskLease> FailWhileTheLockIsTakenAsync(Cluster cluster, Node node, RetryPolicy? policy)
    {
        cluster.Journal.Do = (run, _) => run.Number == 1 ? throw new InvalidOperationException("at first") : Task.CompletedTask;
        TaskLease? held = null;
        node.Firings.AtEnd = async _ => held ??= await node.HoldAsync("report");
        await node.FireRecurringAsync(trigger: t => t.WithRetryPolicy(policy));
        Firings.Ended failed = await node.Firings.EndedAsync(1);
        Assert.True(failed.RetryScheduled, $"{failed}");
        return held!;
    }

    private static IJobExecutionContext After(int spent, RetryPolicy policy)
    {
        IJobExecutionContext context = Substitute.For<IJobExecutionContext>();
        context.RetryAttempt.Returns(spent);
        context.RetryPolicy.Returns(policy);
        return context;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_recovery_of_a_run_that_had_been_deferred_starts_a_new_wait(bool recovering)
    {
        StoredDeferral deferral = new(new TriggerKey("nightly"), DateTimeOffset.UnixEpoch, Attempts: 0, DeferralState.Parse("1;3;3;0;1:abc"));
        ITrigger trigger = TriggerBuilder.Create().WithIdentity(DeferralTrigger.NewKey("work")).Build();
        deferral.WriteTo(trigger.JobDataMap);

        Firing firing = Firing.Of(JobExecutionContextBuilder.For(new NoJob()).WithTrigger(trigger).Recovering(recovering).Build());

        Assert.Equal(deferral, firing.Deferred);
        Assert.Equal(recovering ? ExecutionOrigin.Recovery : ExecutionOrigin.Deferred, firing.Origin);
        Assert.Equal(recovering ? null : deferral, firing.Wait);
        Assert.Equal((new TriggerKey("nightly"), DateTimeOffset.UnixEpoch), (firing.Trigger, firing.ScheduledTime));
    }

    private sealed class NoJob : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => default;
    }
}
