using Hangfire;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class WaitTests(SharedRedis redis)
{
    [Fact]
    public async Task A_job_that_waits_in_place_runs_when_the_lock_is_free_without_another_state()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string job = await EnqueueAsync(cluster, a);

        await lease.DisposeAsync();

        await cluster.SucceedsAsync(job);
        Assert.Equal(["Succeeded", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_waits_in_place_when_its_server_stops_waits_elsewhere(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node outside = await cluster.StartAsync("outside", server: o => o.Queues = ["other"]);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await outside.TakeAsync("work:x");
        string job = await EnqueueAsync(cluster, outside);
        await cluster.StartAsync("b");

        await a.StopAsync();

        await Eventually.IsTrueAsync(() => cluster.StateData(job)["ServerId"].StartsWith("b:", StringComparison.Ordinal));
        await Eventually.SeesAsync(outside.HeldAsync, held => held[0].Waiters.Select(p => p.Description.Node).SequenceEqual(["b"]));
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(job);
        Assert.DoesNotContain(cluster.History(job), s => s.Name is "Scheduled" or "Failed" or "Deleted");
    }

    [Fact]
    public async Task A_job_that_is_deleted_while_it_waits_in_place_leaves_the_queue_and_its_worker()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        string job = await EnqueueAsync(cluster, a);

        Assert.True(cluster.Client.Delete(job));

        await Eventually.SeesAsync(a.QueuedAsync, queued => queued.Length == 0);
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Free("free", CancellationToken.None)));
        Assert.Equal(DeletedState.StateName, cluster.History(job)[0].Name);
    }

    private static async Task<string> EnqueueAsync(Cluster cluster, Node node)
    {
        string job = cluster.Client.Enqueue<Patient>(p => p.RunInPlace("x", "in place", CancellationToken.None));
        await Eventually.SeesAsync(node.QueuedAsync, queued => queued.SequenceEqual([job]));
        return job;
    }
}
