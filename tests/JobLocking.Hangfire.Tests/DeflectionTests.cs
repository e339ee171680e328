using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>Jobs that a server which holds the lock itself need not hand to a worker.</summary>
public sealed class DeflectionTests(SharedRedis redis)
{
    private readonly Workers _workers = new();

    [Theory]
    [ClassData(typeof(EachStorage))]
    public async Task A_recurring_job_that_this_server_is_running_is_skipped_without_a_worker(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await StartAsync(cluster);
        string first = await FireAndHoldAsync(cluster, "nightly");

        // A worker has asked the storage whether the schedule runs the job again.
        string known = cluster.Fire("nightly");
        await cluster.SeesAsync(known, DeletedState.StateName, "Skipped: ");
        Assert.Contains(known, _workers.Jobs);

        string second = cluster.Fire("nightly");

        JobState skipped = await cluster.SeesAsync(second, DeletedState.StateName);
        Assert.Equal($"Skipped: lock 'work:x' is held by tests on a, Hangfire job Work.Auto [nightly] #{first}", skipped.Reason);
        Assert.Equal(["Deleted", "Processing", "Enqueued"], cluster.History(second).Select(s => s.Name));
        Assert.Equal("skipped", cluster.Record(second).Outcome);
        cluster.Probes["nightly"].Release();
        await cluster.SucceedsAsync(first);
        await cluster.SucceedsAsync(cluster.Fire("nightly"));
        Assert.DoesNotContain(second, _workers.Jobs);
        Assert.Empty(await a.HeldAsync());
    }

    [Theory]
    [ClassData(typeof(EachStorage))]
    public async Task A_job_whose_lock_says_Skip_is_skipped_without_a_worker_whatever_has_the_lock(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await StartAsync(cluster);
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Skip("x", "skipped", CancellationToken.None));

        await cluster.SeesAsync(job, DeletedState.StateName, "Skipped: lock 'work:x' is held by tests on a, code");
        Assert.DoesNotContain(job, _workers.Jobs);
    }

    [Fact]
    public async Task The_continuation_of_a_job_that_is_skipped_without_a_worker_runs_only_if_it_accepts_any_end()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await StartAsync(cluster);
        await using TaskLease lease = await a.TakeAsync("work:x");
        string parent = cluster.Client.Schedule<Work>(w => w.Skip("x", "parent", CancellationToken.None), TimeSpan.FromHours(1));
        string onSuccess = cluster.Client.ContinueJobWith<Work>(parent, w => w.Free("success", CancellationToken.None));
        string onAnyEnd = cluster.Client.ContinueJobWith<Work>(parent, w => w.Free("any", CancellationToken.None), JobContinuationOptions.OnAnyFinishedState);

        cluster.Client.ChangeState(parent, new EnqueuedState());

        await cluster.SeesAsync(parent, DeletedState.StateName);
        await cluster.SucceedsAsync(onAnyEnd);
        await cluster.SeesAsync(onSuccess, DeletedState.StateName);
        Assert.DoesNotContain(parent, _workers.Jobs);
    }

    [Theory]
    [ClassData(typeof(EachStorage))]
    public async Task Work_that_must_not_be_skipped_goes_to_a_worker(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        await StartAsync(cluster);
        string first = await FireAndHoldAsync(cluster, "nightly");
        cluster.AddRecurring<Work>("weekly", w => w.Auto("x", "weekly", CancellationToken.None));

        string oneOff = cluster.Client.Enqueue<Work>(w => w.Auto("x", "one-off", CancellationToken.None));
        string another = cluster.Fire("weekly");
        string failing = cluster.Client.Enqueue<Work>(w => w.Fail("x", "failing", CancellationToken.None));

        await cluster.IsDeferredAsync(oneOff);
        await cluster.IsDeferredAsync(another);
        await cluster.SeesAsync(failing, FailedState.StateName);
        Assert.Equal([oneOff, another, failing], _workers.Jobs.Distinct().Except([first]));
        cluster.Probes["nightly"].Release();
        await cluster.SucceedsAsync(oneOff);
        await cluster.SucceedsAsync(another);
    }

    [Theory]
    [ClassData(typeof(EachStorage))]
    public async Task A_job_that_was_skipped_early_and_is_started_again_by_an_operator_is_deferred(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        await StartAsync(cluster);
        string first = await FireAndHoldAsync(cluster, "nightly");
        string second = cluster.Fire("nightly");
        await cluster.SeesAsync(second, DeletedState.StateName, "Skipped: ");

        Assert.True(cluster.Client.Requeue(second));

        await cluster.IsDeferredAsync(second);
        cluster.Probes["nightly"].Release();
        await cluster.SucceedsAsync(first);
        await cluster.SucceedsAsync(second);
    }

    [Theory]
    [ClassData(typeof(EachStorage))]
    public async Task A_retry_is_never_skipped_before_it_reaches_a_worker(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        await StartAsync(cluster);
        cluster.AddRecurring<RetriedWork>("nightly", w => w.Skip("x", "nightly", CancellationToken.None));
        JobProbe probe = cluster.Probes["nightly"];
        probe.Failure = new InvalidOperationException("once");
        string retried = cluster.Fire("nightly");
        await cluster.SeesAsync(retried, ScheduledState.StateName, "Retry attempt 1 of 3");
        probe.Failure = null;
        probe.Hold();
        string running = cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => probe.Begun == 2);

        Assert.True(cluster.Client.ChangeState(retried, new EnqueuedState()));
        await cluster.IsDeferredAsync(retried);
        probe.Release();
        await cluster.SucceedsAsync(retried);
        await cluster.SucceedsAsync(running);
    }

    private Task<Node> StartAsync(Cluster cluster) => cluster.StartAsync(
        "a",
        server: o => o.WorkerCount = 2,
        filters: (own, _) => new JobFilterProviderCollection(own, new JobFilterCollection { { _workers, -2000 } }));

    private static async Task<string> FireAndHoldAsync(Cluster cluster, string probe)
    {
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", probe, CancellationToken.None));
        cluster.Probes[probe].Hold();
        string job = cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => cluster.Probes[probe].Begun == 1);
        return job;
    }

    /// <summary>Records which jobs reach a worker that would perform them.</summary>
    private sealed class Workers : IServerFilter
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _jobs = [];

        public IReadOnlyCollection<string> Jobs => _jobs;

        public void OnPerforming(PerformingContext context) => _jobs.Enqueue(context.BackgroundJob.Id);

        public void OnPerformed(PerformedContext context)
        {
        }
    }
}
