using Hangfire;
using Hangfire.States;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class FailTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_fails_on_conflict_names_the_holder_of_the_lock(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Fail("x", "failing", CancellationToken.None));

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockConflictException).FullName, failed.Data["ExceptionType"]);
        Assert.StartsWith("The lock 'work:x' is held by tests on a, code", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, cluster.Probes["failing"].Begun);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task Its_failure_is_retried_like_any_other(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<RetriedWork>(w => w.Fail("x", "failing", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1 of 3");

        await lease.DisposeAsync();
        Assert.True(cluster.Client.ChangeState(job, new EnqueuedState()));

        await cluster.SucceedsAsync(job);
    }

    [Fact]
    public async Task A_job_that_was_deferred_for_too_long_gives_up_and_its_next_attempt_starts_a_wait_of_its_own()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.GiveUp("x", "given up", CancellationToken.None));

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockConflictException).FullName, failed.Data["ExceptionType"]);
        Assert.Matches("^Given up after [23] deferrals in [23] seconds", failed.Data["ExceptionMessage"]);
        Assert.Equal(0, cluster.Probes["given up"].Begun);

        Assert.True(cluster.Client.ChangeState(job, new EnqueuedState()));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
    }

    [Fact]
    public async Task The_automatic_retry_of_a_job_that_gave_up_waits_as_long_again()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<RetriedWork>(w => w.GiveUp("x", "given up", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1 of 3: Given up after");

        Assert.True(cluster.Client.ChangeState(job, new EnqueuedState()));

        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 2 of 3: Given up after");
        Assert.Equal(0, cluster.Probes["given up"].Begun);
    }
}
