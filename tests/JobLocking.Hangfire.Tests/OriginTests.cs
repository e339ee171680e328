using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class OriginTests(SharedRedis redis)
{
    private const string Deferred = "Deferred (1): ";

    public enum Policies
    {
        Auto,
        Skip,
        Defer,
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_recurring_job_is_deferred_while_another_job_has_its_lock(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));

        await cluster.SeesAsync(cluster.Fire("nightly"), ScheduledState.StateName, Deferred);
    }

    [Fact]
    public async Task Two_recurring_jobs_over_one_method_are_two_jobs()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        cluster.AddRecurring<Work>("weekly", w => w.Auto("x", "weekly", CancellationToken.None));
        cluster.Probes["nightly"].Hold();
        cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => cluster.Probes["nightly"].Begun == 1);

        string weekly = cluster.Fire("weekly");

        await cluster.SeesAsync(weekly, ScheduledState.StateName, Deferred);
        cluster.Probes["nightly"].Release();
        await cluster.SucceedsAsync(weekly);
    }

    [Fact]
    public async Task A_one_off_job_is_deferred_while_the_same_method_runs()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.Probes["first"].Hold();
        cluster.Client.Enqueue<Work>(w => w.Auto("x", "first", CancellationToken.None));
        await Eventually.IsTrueAsync(() => cluster.Probes["first"].Begun == 1);

        string second = cluster.Client.Enqueue<Work>(w => w.Auto("x", "second", CancellationToken.None));

        await cluster.SeesAsync(second, ScheduledState.StateName, Deferred);
        cluster.Probes["first"].Release();
        await cluster.SucceedsAsync(second);
    }

    public static TheoryData<Policies, Storages> Retried =>
    [
        .. Enum.GetValues<Storages>().Select(storages => (Policies.Auto, storages)),
        (Policies.Skip, Storages.InMemory),
        (Policies.Defer, Storages.InMemory),
    ];

    [Theory]
    [MemberData(nameof(Retried))]
    public async Task The_retry_of_a_recurring_job_waits_for_its_own_next_run_instead_of_being_skipped(Policies policy, Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.AddRecurring<RetriedWork>("nightly", policy switch
        {
            Policies.Auto => w => w.Auto("x", "nightly", CancellationToken.None),
            Policies.Skip => w => w.Skip("x", "nightly", CancellationToken.None),
            _ => w => w.Defer("x", "nightly", CancellationToken.None),
        });
        JobProbe probe = cluster.Probes["nightly"];
        probe.Failure = new InvalidOperationException("once");
        string failing = cluster.Fire("nightly");
        await cluster.SeesAsync(failing, ScheduledState.StateName, "Retry attempt 1 of 3");
        probe.Failure = null;
        probe.Hold();
        cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => probe.Begun == 2);

        Assert.True(cluster.Client.ChangeState(failing, new EnqueuedState()));

        await cluster.SeesAsync(failing, ScheduledState.StateName, Deferred);
        await cluster.SeesAsync(failing, ScheduledState.StateName, "Deferred (2): ");
        Assert.Equal("1", cluster.Parameter(failing, "RetryCount"));
        probe.Release();
        await cluster.SucceedsAsync(failing);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_recurring_job_that_an_operator_starts_again_is_deferred_instead_of_being_skipped(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        JobProbe probe = cluster.Probes["nightly"];
        probe.Failure = new InvalidOperationException("once");
        string failed = cluster.Fire("nightly");
        await cluster.SeesAsync(failed, FailedState.StateName);
        probe.Failure = null;
        probe.Hold();
        cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => probe.Begun == 2);

        Assert.True(cluster.Client.Requeue(failed));

        await cluster.SeesAsync(failed, ScheduledState.StateName, Deferred);
        probe.Release();
        await cluster.SucceedsAsync(failed);
    }

    [Fact]
    public async Task A_delivery_of_a_job_that_a_dead_server_had_begun_is_deferred_instead_of_being_skipped()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        JobProbe probe = cluster.Probes["nightly"];
        probe.Hold();
        cluster.Fire("nightly");
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        string begun = cluster.Client.Create<Work>(w => w.Auto("x", "nightly", CancellationToken.None), new ScheduledState(TimeSpan.FromDays(1)));
        Assert.True(cluster.Client.ChangeState(begun, new DeadRunState()));

        using (IStorageConnection connection = cluster.Storage.GetConnection())
        {
            connection.SetJobParameter(begun, "RecurringJobId", SerializationHelper.Serialize("nightly"));
            new AttemptRecord { Begun = true }.Write(connection, begun);
        }

        // The lock is held by another run of the same recurring job.
        cluster.Deliver(begun);

        await cluster.SeesAsync(begun, ScheduledState.StateName, Deferred);
        probe.Release();
        await cluster.SucceedsAsync(begun);
    }
}
