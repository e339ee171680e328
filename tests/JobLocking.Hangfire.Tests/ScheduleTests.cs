using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>A deferred job that has a queue of its own, in Hangfire's schedule.</summary>
public sealed class ScheduleTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task A_deferred_job_with_a_queue_of_its_own_is_scheduled_once_and_changes_its_state_when_it_is_due(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a", server: o => o.Queues = ["critical"]);
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<Work>("critical", w => w.Auto("x", "due", CancellationToken.None));
        JobState deferred = await cluster.IsDeferredAsync(job);
        Assert.Equal([job], cluster.Storage.GetMonitoringApi().ScheduledJobs(0, 10).Select(j => j.Key));
        Assert.Equal(1, cluster.Storage.GetMonitoringApi().ScheduledCount());
        Assert.NotEmpty(deferred.Data["EnqueueAt"]);

        await cluster.IsDeferredAsync(job, times: 2);

        Assert.Equal(
            ["Scheduled", "Deleted", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"],
            cluster.History(job).Select(s => s.Name));
        Assert.Equal("Triggered by DelayedJobScheduler", cluster.History(job)[3].Reason);
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(job);
        Assert.Empty(Entries(cluster));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task Whatever_becomes_of_a_deferred_job_with_a_queue_of_its_own_nothing_of_it_stays_in_the_schedule(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string deleted = await DeferAsync("deleted");
        string rescheduled = await DeferAsync("rescheduled");
        string requeued = await DeferAsync("requeued");
        string woken = await DeferAsync("woken");
        Assert.Equal([deleted, rescheduled, requeued, woken], Entries(cluster));

        Assert.True(cluster.Client.Delete(deleted));
        Assert.True(cluster.Client.Reschedule(rescheduled, TimeSpan.FromDays(1)));
        Assert.True(cluster.Client.Requeue(requeued));
        await cluster.IsDeferredAsync(requeued, times: 2);
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(requeued);
        await cluster.SucceedsAsync(woken);

        // As Hangfire does it: a job that was rescheduled is no deferral any more.
        Assert.Equal([$"critical:{rescheduled}"], Entries(cluster));

        async Task<string> DeferAsync(string probe)
        {
            string job = cluster.Client.Enqueue<Patient>("critical", p => p.Run("x", probe, CancellationToken.None));
            await cluster.IsDeferredAsync(job);
            return job;
        }
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task The_scheduler_of_a_process_without_JobLocking_returns_a_deferred_job_to_the_queue_that_only_its_state_named(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Create<Work>(w => w.Auto("x", "by-state", CancellationToken.None), new EnqueuedState("critical"));
        await cluster.IsDeferredAsync(job);
        await Eventually.IsTrueAsync(() => Entries(cluster).SequenceEqual([$"critical:{job}"]));
        await a.StopAsync();

        BackgroundJobServerOptions options = new()
        {
            Queues = ["unused"],
            WorkerCount = 1,
            SchedulePollingInterval = TimeSpan.FromMilliseconds(50),
            FilterProvider = new JobFilterCollection(),
        };
        using (new BackgroundJobServer(options, cluster.Storage))
        {
            await Eventually.IsTrueAsync(() => cluster.Storage.GetMonitoringApi().EnqueuedCount("critical") == 1);
        }

        await lease.DisposeAsync();
        await cluster.StartAsync("b", server: o => o.Queues = ["critical"]);
        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes["by-state"].Ended);
        Assert.Empty(Entries(cluster));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_wake_up_does_not_wait_for_the_lock_of_the_schedule(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<Patient>("critical", p => p.Run("x", "woken", CancellationToken.None));
        await cluster.IsDeferredAsync(job);

        using IStorageConnection connection = cluster.Storage.GetConnection();
        using (connection.AcquireDistributedLock("locks:schedulepoller", TimeSpan.FromSeconds(10)))
        {
            await lease.DisposeAsync();
            await cluster.SucceedsAsync(job);
        }
    }

    [Fact]
    public void The_handler_of_deferrals_is_registered_once()
    {
        DeferredState.Handler.Register();
        DeferredState.Handler.Register();

        Assert.Single(GlobalStateHandlers.Handlers.OfType<DeferredState.Handler>());
    }

    private static List<string> Entries(Cluster cluster)
    {
        using var connection = (JobStorageConnection)cluster.Storage.GetConnection();
        return [.. connection.GetAllItemsFromSet("schedule").OrderBy(entry => cluster.Storage.GetMonitoringApi().JobDetails(entry.Split(':')[^1]).CreatedAt)];
    }
}
