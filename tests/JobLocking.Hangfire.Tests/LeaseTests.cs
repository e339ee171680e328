using Hangfire;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class LeaseTests(SharedRedis redis)
{
    [Fact]
    public async Task A_job_sees_its_lease_before_and_after_an_await_and_the_next_job_of_the_worker_does_not()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Auto("x", "locked", CancellationToken.None)));
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Free("free", CancellationToken.None)));

        Assert.Equal(["work:x", "work:x"], cluster.Probes["locked"].Locks);
        Assert.Equal([null, null], cluster.Probes["free"].Locks);
    }

    [Fact]
    public async Task A_synchronous_job_sees_its_lease()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        JobState succeeded = await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Brief("x")));

        Assert.Equal("\"work:x\"", succeeded.Data["Result"]);
    }

    [Fact]
    public async Task A_job_that_requires_its_lock_fails_without_one()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        string job = cluster.Client.Enqueue<Work>(w => w.Forgotten());

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockException).FullName, failed.Data["ExceptionType"]);
        Assert.Contains("does not run under a lock", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task The_lock_is_held_while_the_job_runs_and_free_when_it_has_succeeded_or_failed(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["held"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "held", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);

        HeldLock held = Assert.Single(await a.HeldAsync());
        Assert.Equal("work:x", held.Name);
        Assert.Equal(("tests", "a", "Hangfire", "Work.Auto", job), (held.Holder!.Application, held.Holder.Node, held.Holder.Scheduler, held.Holder.Job, held.Holder.Execution));
        probe.Release();
        await cluster.SucceedsAsync(job);
        Assert.Empty(await a.HeldAsync());

        probe.Failure = new InvalidOperationException("badly");
        await cluster.SeesAsync(cluster.Client.Enqueue<Work>(w => w.Auto("x", "held", CancellationToken.None)), FailedState.StateName);
        Assert.Empty(await a.HeldAsync());
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_stops_because_its_lease_is_lost_fails_with_the_reason(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["lost"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Careful("x", "lost", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);

        HeldLock held = Assert.Single(await a.HeldAsync());
        Assert.True(await a.Locks.BreakAsync(held.Name, held.FencingToken!.Value, TestContext.Current.CancellationToken));

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockLostException).FullName, failed.Data["ExceptionType"]);
        Assert.StartsWith("Lock 'work:x' was lost while the work was running: an operator has broken it.", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, probe.Ended);
    }

    [Fact]
    public async Task Work_that_was_done_before_the_loss_was_noticed_counts()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["done"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "done", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        HeldLock held = Assert.Single(await a.HeldAsync());
        Assert.True(await a.Locks.BreakAsync(held.Name, held.FencingToken!.Value, TestContext.Current.CancellationToken));
        await using TaskLease successor = await a.TakeAsync("work:x");

        probe.Release();

        await cluster.SucceedsAsync(job);
        Assert.Equal(successor.FencingToken, Assert.Single(await a.HeldAsync()).FencingToken);
    }

    [Fact]
    public async Task A_running_job_that_an_operator_deletes_gives_its_lock_back()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["deleted"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "deleted", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);

        Assert.True(cluster.Client.Delete(job));

        await Eventually.IsTrueAsync(async () => (await a.HeldAsync()).Length == 0);
        Assert.Equal(DeletedState.StateName, cluster.History(job)[0].Name);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_aborted_by_shutdown_runs_elsewhere_at_once_and_finds_its_lock_free(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["aborted"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "aborted", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        Node b = await cluster.StartAsync("b");

        await a.StopAsync();

        await Eventually.IsTrueAsync(() => probe.Begun == 2);
        Assert.Equal("b", Assert.Single(await b.HeldAsync()).Holder!.Node);
        probe.Release();
        await cluster.SucceedsAsync(job);
        Assert.DoesNotContain(cluster.History(job), s => s.Name is "Scheduled" or "Failed" or "Deleted");
    }

    [Fact]
    public async Task A_job_aborted_by_shutdown_runs_elsewhere_even_if_its_lease_was_lost_before()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["aborted"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "aborted", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        HeldLock held = Assert.Single(await a.HeldAsync());
        Assert.True(await a.Locks.BreakAsync(held.Name, held.FencingToken!.Value, TestContext.Current.CancellationToken));
        await Eventually.IsTrueAsync(() => probe.Lease!.Lost.IsCancellationRequested);

        await a.StopAsync();
        probe.Release();
        await cluster.StartAsync("b");

        await cluster.SucceedsAsync(job);
        Assert.DoesNotContain(cluster.History(job), s => s.Name is "Scheduled" or "Failed" or "Deleted");
    }
}
