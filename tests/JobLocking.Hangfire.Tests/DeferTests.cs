using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class DeferTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_finds_its_lock_taken_goes_back_to_the_schedule_and_runs_when_the_lock_is_free(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await cluster.StartAsync("b");
        TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "one-off", CancellationToken.None));

        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): lock 'work:x' is held by tests on a, code");
        Assert.Equal(0, cluster.Probes["one-off"].Begun);
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes["one-off"].Ended);
        Assert.Null(cluster.Parameter(job, "RetryCount"));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task Each_further_deferral_is_counted_and_takes_twice_as_long(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "one-off", CancellationToken.None));

        TimeSpan first = Delay(await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): "));
        TimeSpan second = Delay(await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (2): "));
        Assert.Equal(1, first.TotalSeconds, 0.2);
        Assert.Equal(2, second.TotalSeconds, 0.2);
        Assert.Equal(2, cluster.Record(job).State!.Deferrals);

        static TimeSpan Delay(JobState scheduled) =>
            JobHelper.DeserializeDateTime(scheduled.Data["EnqueueAt"]) - JobHelper.DeserializeDateTime(scheduled.Data["ScheduledAt"]);
    }

    [Fact]
    public async Task The_history_of_a_deferred_job_says_what_became_of_the_state_that_the_deferral_replaced()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "one-off", CancellationToken.None));

        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
        JobState[] history = [.. cluster.History(job).TakeLast(4)];
        Assert.Equal(["Scheduled", "Deleted", "Processing", "Enqueued"], history.Select(s => s.Name));
        Assert.Equal("Replaced by the deferral", history[1].Reason);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_deferral_ends_when_the_job_runs_and_its_retry_starts_a_new_wait(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        JobProbe probe = cluster.Probes["deferred"];
        probe.Failure = new InvalidOperationException("once");
        string job = cluster.Client.Enqueue<RetriedWork>(w => w.GiveUp("x", "deferred", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
        Assert.NotNull(cluster.Record(job).State);
        Assert.Equal("deferred", cluster.Record(job).Outcome);

        await lease.DisposeAsync();
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1 of 3");

        Assert.Null(cluster.Record(job).Deferral);
        Assert.Null(cluster.Record(job).Outcome);
        Assert.True(cluster.Record(job).Begun);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_deferred_job_returns_to_the_queue_it_was_created_in(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");

        string[] jobs =
        [
            cluster.Client.Create<Work>(w => w.Auto("x", "by-state", CancellationToken.None), new EnqueuedState("critical")),
            cluster.Client.Enqueue<Work>("critical", w => w.Auto("x", "by-job", CancellationToken.None)),
            cluster.Client.Enqueue<Work>(w => w.Critical("x", "by-attribute", CancellationToken.None)),
        ];
        foreach (string job in jobs)
        {
            await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
        }

        // A server that fetches only from the critical queue proves where they are.
        await a.StopAsync();
        await cluster.StartAsync("b", server: o => o.Queues = ["critical"]);
        await lease.DisposeAsync();
        foreach (string job in jobs)
        {
            await cluster.SucceedsAsync(job);
        }
    }

    [Fact]
    public async Task A_job_of_the_default_queue_stays_there()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "default", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Deferred (1): ");
        Assert.Null(cluster.Record(job).Queue);

        await a.StopAsync();
        await cluster.StartAsync("b", server: o => o.Queues = ["default"]);
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(job);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task The_continuation_of_a_deferred_job_waits_for_it(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string parent = cluster.Client.Schedule<Work>(w => w.Auto("x", "parent", CancellationToken.None), TimeSpan.FromHours(1));
        string continuation = cluster.Client.ContinueJobWith<Work>(
            parent, w => w.Free("continuation", CancellationToken.None), JobContinuationOptions.OnAnyFinishedState);
        cluster.Client.ChangeState(parent, new EnqueuedState());

        await cluster.SeesAsync(parent, ScheduledState.StateName, "Deferred (1): ");
        Assert.Equal(AwaitingState.StateName, cluster.History(continuation)[0].Name);

        await lease.DisposeAsync();
        await cluster.SucceedsAsync(parent);
        await cluster.SucceedsAsync(continuation);
    }
}
