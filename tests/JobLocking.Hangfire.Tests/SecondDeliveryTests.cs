using Hangfire;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// The storage delivers a job that is running. Most storages do that once an invisibility timeout has passed; here the delivery is made by
/// hand.
/// </summary>
public sealed class SecondDeliveryTests(SharedRedis redis)
{
    private const int DeliveryPostponed = 1119;

    public static TheoryData<Storages, bool> Cases
    {
        get
        {
            TheoryData<Storages, bool> cases = [];
            foreach (Storages storages in Enum.GetValues<Storages>())
            {
                cases.Add(storages, true);
                cases.Add(storages, false);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_running_job_that_is_delivered_again_runs_once_and_ends_as_if_nothing_had_happened(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        await cluster.StartAsync("a");
        await cluster.StartAsync("b");
        cluster.Probes["long"].Hold();
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.Run("x", "long", CancellationToken.None));
        await Eventually.IsTrueAsync(() => cluster.Probes["long"].Begun == 1);
        string? first = cluster.StateData(job)["ServerId"];
        int rows = cluster.History(job).Count;

        cluster.Deliver(job);

        await Eventually.IsTrueAsync(() => cluster.IsPostponed(job));
        Assert.Equal(first, cluster.StateData(job)["ServerId"]);
        Assert.Equal(isDecorated ? rows : rows + 2, cluster.History(job).Count);
        cluster.Probes["long"].Release();
        await cluster.SucceedsAsync(job);

        // The delivery comes back, finds the job done, and is gone.
        await Eventually.IsTrueAsync(() => !cluster.IsPostponed(job));
        await Eventually.IsTrueAsync(() => cluster.Storage.GetMonitoringApi().EnqueuedCount("default") == 0);
        Assert.Equal((1, 1), (cluster.Probes["long"].Begun, cluster.Probes["long"].Ended));
        Assert.Equal(SucceededState.StateName, cluster.History(job)[0].Name);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_job_whose_first_run_is_dead_is_run_by_its_second_delivery(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        Node a = await cluster.StartAsync("a");
        string job = cluster.Client.Create<ShortLeases>(w => w.Run("x", "dead", CancellationToken.None), new EnqueuedState("unserved"));

        // As a process leaves it that was killed, once its lease has expired.
        Assert.True(cluster.Client.ChangeState(job, new DeadRunState()));

        cluster.Deliver(job);

        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes["dead"].Ended);
        Assert.DoesNotContain(DeliveryPostponed, a.LoggedIds);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_job_whose_first_run_is_dead_may_wait_for_its_lock_in_place(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        Node holder = await cluster.StartAsync("holder", server: o => o.Queues = ["unused"]);
        TaskLease lease = await holder.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.RunInPlace("x", "waits", CancellationToken.None));
        Assert.True(cluster.Client.ChangeState(job, new DeadRunState()));
        Node a = await cluster.StartAsync("a");

        await Eventually.IsTrueAsync(async () => (await a.QueuedAsync()).Length == 1);
        await lease.DisposeAsync();

        await cluster.SucceedsAsync(job);
        Assert.Equal((1, 1), (cluster.Probes["waits"].Ended, cluster.History(job).Count(state => state.Reason.StartsWith("Its first", StringComparison.Ordinal)) + (isDecorated ? 1 : 0)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_second_delivery_does_not_run_a_job_that_waits_for_its_retry(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        await cluster.StartAsync("a");
        cluster.Probes["retried"].Failure = new InvalidOperationException("first");
        string job = cluster.Client.Enqueue<RetriedWork>(w => w.Auto("x", "retried", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1");
        string due = cluster.StateData(job)["EnqueueAt"];

        cluster.Deliver(job);
        string after = cluster.Client.Enqueue<Work>(w => w.Free("after", CancellationToken.None));

        await cluster.SucceedsAsync(after);
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1");
        Assert.Equal((1, due), (cluster.Probes["retried"].Begun, cluster.StateData(job)["EnqueueAt"]));
        cluster.Probes["retried"].Failure = null;
        Assert.True(cluster.Client.Requeue(job));
        await cluster.SucceedsAsync(job);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_delivery_between_the_end_of_a_run_and_its_result_does_not_run_the_job_again(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        using HeldResults results = new();
        await cluster.StartAsync("a", filters: (others, _) => results.Around(others));
        await cluster.StartAsync("b", filters: (others, _) => results.Around(others));
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.Run("x", "done", CancellationToken.None));
        await Eventually.IsTrueAsync(() => results.Held == 1);
        Assert.Empty(await cluster.Nodes[0].HeldAsync());

        cluster.Deliver(job);

        await Eventually.IsTrueAsync(() => cluster.IsPostponed(job));
        results.Release();
        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes["done"].Begun);
    }
}
