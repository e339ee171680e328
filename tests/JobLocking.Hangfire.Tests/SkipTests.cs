using Hangfire;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class SkipTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task A_recurring_job_that_still_runs_elsewhere_is_skipped_and_names_the_holder_of_the_lock(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        JobProbe probe = cluster.Probes["nightly"];
        probe.Hold();
        string first = cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        Node b = await cluster.StartAsync("b");

        string second = cluster.Fire("nightly");
        JobState skipped = await cluster.SeesAsync(second, DeletedState.StateName);
        Assert.Equal($"Skipped: lock 'work:x' is held by tests on a, Hangfire job Work.Auto [nightly] #{first}", skipped.Reason);
        Assert.Null(cluster.Parameter(second, "RetryCount"));

        probe.Release();
        await cluster.SucceedsAsync(first);
        Assert.Equal(1, probe.Begun);
        await cluster.SucceedsAsync(cluster.Fire("nightly"));
        Assert.Empty(await b.HeldAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Hangfire_keeps_the_job_of_a_skipped_occurrence_for_as_long_as_the_options_say(bool keeps)
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        cluster.KeepsSkippedJobs = keeps;
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        cluster.AddRecurring<Work>("other", w => w.Skip("x", "other", CancellationToken.None));
        cluster.Probes["nightly"].Hold();
        string running = cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => cluster.Probes["nightly"].Begun == 1);

        string[] skipped = [cluster.Fire("nightly"), cluster.Fire("other"), cluster.Client.Enqueue<Work>(w => w.Skip("x", "one-off", CancellationToken.None))];

        foreach (string job in skipped)
        {
            await cluster.SeesAsync(job, DeletedState.StateName, "Skipped: ");
        }

        TimeSpan[] kept = [.. skipped.Select(job => cluster.Storage.GetMonitoringApi().JobDetails(job).ExpireAt!.Value - DateTime.UtcNow)];
        Assert.Equal([!keeps, !keeps, false], kept.Select(time => time < TimeSpan.FromMinutes(2)));
        cluster.Probes["nightly"].Release();
        await cluster.SucceedsAsync(running);
    }

    [Fact]
    public async Task A_skipped_job_has_one_final_state_in_its_history()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Skip("x", "skipped", CancellationToken.None));

        await cluster.SeesAsync(job, DeletedState.StateName, "Skipped: lock 'work:x' is held by tests on a, code");
        Assert.Equal(["Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        Assert.Equal(0, cluster.Probes["skipped"].Begun);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task The_continuation_of_a_skipped_job_is_deleted_unless_it_accepts_any_end(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        string parent = cluster.Client.Schedule<Work>(w => w.Skip("x", "parent", CancellationToken.None), TimeSpan.FromHours(1));
        string onSuccess = cluster.Client.ContinueJobWith<Work>(parent, w => w.Free("success", CancellationToken.None));
        string onAnyEnd = cluster.Client.ContinueJobWith<Work>(parent, w => w.Free("any", CancellationToken.None), JobContinuationOptions.OnAnyFinishedState);

        cluster.Client.ChangeState(parent, new EnqueuedState());

        await cluster.SeesAsync(parent, DeletedState.StateName);
        await cluster.SucceedsAsync(onAnyEnd);
        await cluster.SeesAsync(onSuccess, DeletedState.StateName);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_skipped_job_can_be_told_from_a_deleted_one_by_more_than_its_reason(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string skipped = cluster.Client.Enqueue<Work>(w => w.Skip("x", "skipped", CancellationToken.None));
        await cluster.SeesAsync(skipped, DeletedState.StateName, "Skipped: ");
        Assert.Equal("skipped", cluster.Record(skipped).Outcome);

        await lease.DisposeAsync();
        Assert.True(cluster.Client.Requeue(skipped));
        await cluster.SucceedsAsync(skipped);
        Assert.Null(cluster.Record(skipped).Outcome);
    }
}
