using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
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

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_that_a_server_of_another_application_runs_is_left_alone(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        await cluster.StartAsync("a", o => o.ApplicationName = "Shop.Api");
        cluster.Probes["limit"].Hold();
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.RunBeside("x", "limit"));
        await Eventually.IsTrueAsync(() => cluster.Probes["limit"].Begun == 1);
        await cluster.StartAsync("b", o => o.ApplicationName = "Shop.Worker");

        await IsLeftAloneAsync(cluster, job, "limit");
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_job_is_left_alone_however_many_storages_the_node_of_its_first_run_has(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Node a = await cluster.StartAsync("tenant-a");
        JobStorage other = redis.NewStorage(Storages.InMemory);
        BackgroundJobServerOptions options = new()
        {
            ServerName = "tenant-b",
            WorkerCount = 1,
            Activator = new global::Hangfire.AspNetCore.AspNetCoreJobActivator(a.Services.GetRequiredService<IServiceScopeFactory>()),
        };
        using BackgroundJobServer server = new(options.UseTaskLocks(a.Services), other);
        new BackgroundJobClient(other).Enqueue<ShortLeases>(w => w.RunBeside("other", "other"));
        await Eventually.IsTrueAsync(() => cluster.Probes["other"].Ended == 1);
        cluster.Probes["limit"].Hold();
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.RunBeside("x", "limit"));
        await Eventually.IsTrueAsync(() => cluster.Probes["limit"].Begun == 1);
        await cluster.StartAsync("tenant-a");

        await IsLeftAloneAsync(cluster, job, "limit");
    }

    [Theory]
    [InlineData(nameof(ShortLeases.RunOrFail))]
    [InlineData(nameof(ShortLeases.RunOrSkip))]
    public async Task A_running_job_that_is_queued_again_does_not_take_its_own_lease_for_that_of_another(string way)
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.Probes["long"].Hold();
        string job = way == nameof(ShortLeases.RunOrFail)
            ? cluster.Client.Enqueue<ShortLeases>(w => w.RunOrFail("x", "long"))
            : cluster.Client.Enqueue<ShortLeases>(w => w.RunOrSkip("x", "long"));
        await Eventually.IsTrueAsync(() => cluster.Probes["long"].Begun == 1);

        Assert.True(cluster.Client.Requeue(job));

        await Eventually.IsTrueAsync(() => cluster.IsPostponed(job));
        cluster.Probes["long"].Release();
        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes["long"].Begun);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_second_delivery_leaves_a_job_with_a_queue_of_its_own_in_the_schedule_for_its_retry(Storages storages, bool isDecorated)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: isDecorated);
        await cluster.StartAsync("a");
        cluster.Probes["retried"].Failure = new InvalidOperationException("first");
        string job = cluster.Client.Enqueue<RetriedWork>("critical", w => w.Auto("x", "retried", CancellationToken.None));
        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1");
        string due = cluster.StateData(job)["EnqueueAt"];

        // A postponed delivery is the very entry that the retry has in the schedule.
        string entry = $"critical:{job}";
        await Eventually.IsTrueAsync(() => cluster.Scheduled().Contains(entry));
        cluster.Unschedule(entry);
        cluster.Deliver(job, "critical");

        // Later than it was due by as much as the clock of the scheduler may be ahead, a minute at most: it would be delivered all the time.
        await Eventually.IsTrueAsync(() => cluster.Scheduled().Contains(entry));
        DateTime next = JobHelper.DeserializeDateTime(due).AddMinutes(1);
        Assert.InRange((cluster.DueAt(entry) - next).TotalSeconds, -2, 2);
        Assert.Equal((1, due), (cluster.Probes["retried"].Begun, cluster.StateData(job)["EnqueueAt"]));
        cluster.Probes["retried"].Failure = null;
        Assert.True(cluster.Client.Requeue(job));
        await cluster.SucceedsAsync(job);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_running_job_is_left_alone_while_Redis_does_not_answer(Storages storages)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using Cluster cluster = new(server.ConnectionString, redis.NewStorage(storages)) { HasTaskLockServices = true };
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.Probes["limit"].Hold();
        string job = cluster.Client.Enqueue<ShortLeases>(w => w.RunBeside("x", "limit"));
        await Eventually.IsTrueAsync(() => cluster.Probes["limit"].Begun == 1);
        await server.KillAsync();

        await IsLeftAloneAsync(cluster, job, "limit");
    }

    private static async Task IsLeftAloneAsync(Cluster cluster, string job, string probe)
    {
        cluster.Deliver(job);
        await Eventually.IsTrueAsync(() => cluster.IsPostponed(job));
        cluster.Probes[probe].Release();
        await cluster.SucceedsAsync(job);
        Assert.Equal(1, cluster.Probes[probe].Begun);
    }
}
