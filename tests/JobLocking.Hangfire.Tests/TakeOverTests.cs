using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>A second delivery runs a job whose first run is over.</summary>
public sealed class TakeOverTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task Of_two_deliveries_that_take_over_together_the_one_that_does_not_run_leaves_the_state_to_the_other(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        using HeldStart held = new();
        await cluster.StartAsync("a", server: o => o.Queues = ["first"], filters: (own, _) => held.Around(own));
        await cluster.StartAsync("b", server: o => o.Queues = ["second"]);
        cluster.Probes["dead"].Hold();
        string job = cluster.Client.Create<ShortLeases>(w => w.Run("x", "dead", CancellationToken.None), new EnqueuedState("unserved"));
        Assert.True(cluster.Client.ChangeState(job, new DeadRunState()));
        cluster.Deliver(job, "first");
        await Eventually.IsTrueAsync(() => held.Held == 1);
        cluster.Deliver(job, "second");
        await Eventually.IsTrueAsync(() => cluster.Probes["dead"].Begun == 1);
        string runs = cluster.StateData(job)["WorkerId"];

        held.Release();

        // Its worker has nothing else to do now.
        await cluster.SucceedsAsync(cluster.Client.Create<Work>(w => w.Free("free", CancellationToken.None), new EnqueuedState("first")));
        Assert.Equal(runs, cluster.StateData(job)["WorkerId"]);
        cluster.Probes["dead"].Release();
        await cluster.SucceedsAsync(job);
        Assert.Equal((1, 1), (cluster.Probes["dead"].Begun, cluster.Probes["dead"].Ended));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_was_delivered_again_is_delivered_at_once_when_the_server_of_its_run_stops(Storages storages)
    {
        const int PostponedNotDelivered = 2026;
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Node a = await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        JobProbe probe = cluster.Probes["aborted"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "aborted", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        cluster.Deliver(job, EnqueuedState.DefaultQueue);
        await Eventually.IsTrueAsync(() => cluster.IsPostponed(job));
        await cluster.StartAsync("b");

        await a.StopAsync();

        await Eventually.IsTrueAsync(() => probe.Begun == 2);
        Assert.DoesNotContain(PostponedNotDelivered, a.LoggedIds);
        probe.Release();
        await cluster.SucceedsAsync(job);
    }

    /// <summary>Holds a worker that has taken a job over, before it asks for the lock.</summary>
    private sealed class HeldStart : IServerFilter, IJobFilter, IDisposable
    {
        private readonly ManualResetEventSlim _gate = new();

        private int _held;

        public int Held => Volatile.Read(ref _held);

        public bool AllowMultiple => false;

        public int Order => TaskLockFilter.Outermost - 1;

        public JobFilterProviderCollection Around(IJobFilterProvider others) => new(others, new JobFilterCollection { { this, Order } });

        public void OnPerforming(PerformingContext context)
        {
            Interlocked.Increment(ref _held);
            _gate.Wait();
        }

        public void OnPerformed(PerformedContext context)
        {
        }

        public void Release() => _gate.Set();

        public void Dispose() => _gate.Dispose();
    }
}
