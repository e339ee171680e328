using System.Linq.Expressions;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>What becomes of a running job when its lease is lost, on servers with <c>AddHangfireTaskLocks</c>.</summary>
public sealed class LossTests(SharedRedis redis)
{
    private static readonly Dictionary<string, Expression<Func<Watching, Task>>> Tasks = new()
    {
        [nameof(Watching.Token)] = w => w.Token("x", "watching", CancellationToken.None),
        [nameof(Watching.ShutdownToken)] = w => w.ShutdownToken("x", "watching", JobCancellationToken.Null),
        [nameof(Watching.SoonRenewed)] = w => w.SoonRenewed("x", "watching", CancellationToken.None),
        [nameof(Watching.Context)] = w => w.Context("x", "watching", null),
    };

    public static TheoryData<Storages, string> Watchers
    {
        get
        {
            TheoryData<Storages, string> data = [];
            foreach (Storages storages in (Storages[])[Storages.InMemory, Storages.Redis])
            {
                foreach (string way in (string[])[nameof(Watching.Token), nameof(Watching.ShutdownToken), nameof(Watching.Context), nameof(Watching.Throw)])
                {
                    data.Add(storages, way);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Watchers))]
    [InlineData(Storages.InMemory, nameof(Watching.Waits))]
    [InlineData(Storages.PostgreSql, nameof(Watching.Token))]
    [InlineData(Storages.Sqlite, nameof(Watching.Token))]
    public async Task A_lost_lease_cancels_the_token_of_its_job_which_fails_with_the_reason(Storages storages, string way)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Node a = await cluster.StartAsync("a");
        (string job, JobProbe probe) = await BeginAsync(cluster, way);

        await BreakAsync(a);

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockLostException).FullName, failed.Data["ExceptionType"]);
        Assert.StartsWith("Lock 'work:x' was lost while the work was running: an operator has broken it.", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, probe.Ended);
        Assert.Equal(["Failed", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Fact]
    public async Task A_lease_whose_key_is_gone_cancels_its_job_at_the_next_renewal()
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        await cluster.StartAsync("a");
        (string job, JobProbe probe) = await BeginAsync(cluster, nameof(Watching.SoonRenewed));

        Assert.True(await redis.Database.KeyDeleteAsync(cluster.KeyOf("work:x")));

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.StartsWith("Lock 'work:x' was lost while the work was running: its key is gone from the store.", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, probe.Ended);
    }

    [Theory]
    [InlineData(Storages.InMemory)]
    [InlineData(Storages.Redis)]
    public async Task A_job_that_was_cancelled_by_the_loss_is_retried_as_Hangfire_decides(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["retried"];
        probe.Hold();
        string job = cluster.Client.Enqueue<RetriedWork>(w => w.Auto("x", "retried", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);

        await BreakAsync(a);

        await cluster.SeesAsync(job, ScheduledState.StateName, "Retry attempt 1 of 3: Lock 'work:x' was lost");
        Assert.Equal("1", cluster.Parameter(job, "RetryCount"));
        probe.Release();
        Assert.True(cluster.Client.Requeue(job));
        await cluster.SucceedsAsync(job);
        Assert.Equal((2, 1), (probe.Begun, probe.Ended));
    }

    [Theory]
    [InlineData(Storages.InMemory)]
    [InlineData(Storages.Redis)]
    public async Task A_job_that_is_cancelled_by_a_shutdown_runs_elsewhere_at_once_and_finds_its_lock_free(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Node a = await cluster.StartAsync("a");
        (string job, JobProbe probe) = await BeginAsync(cluster, nameof(Watching.Token));
        Node b = await cluster.StartAsync("b");

        await a.StopAsync();

        await Eventually.IsTrueAsync(() => probe.Begun == 2);
        Assert.Equal("b", Assert.Single(await b.HeldAsync()).Holder!.Node);
        probe.Release();
        await cluster.SucceedsAsync(job);
        Assert.DoesNotContain(cluster.History(job), s => s.Name is "Scheduled" or "Failed" or "Deleted");
    }

    [Theory]
    [InlineData(Storages.InMemory)]
    [InlineData(Storages.Redis)]
    public async Task A_job_that_sees_the_loss_and_a_shutdown_at_once_runs_elsewhere(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Watcher watcher = new();
        Node a = await cluster.StartAsync("a", filters: (own, _) => watcher.Beside(own));
        JobProbe probe = cluster.Probes["late"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Watching>(w => w.Late("x", "late", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        await BreakAsync(a);
        await Eventually.IsTrueAsync(() => probe.Lease!.Lost.IsCancellationRequested);
        Assert.False(watcher.Token!.ShutdownToken.IsCancellationRequested);

        Task stopped = a.StopAsync();
        await Eventually.IsTrueAsync(() => watcher.Token.ShutdownToken.IsCancellationRequested);
        probe.Release();
        await stopped;
        await cluster.StartAsync("b");

        await cluster.SucceedsAsync(job);
        Assert.IsType<OperationCanceledException>(watcher.Performed);
        Assert.DoesNotContain(cluster.History(job), s => s.Name is "Scheduled" or "Failed" or "Deleted");
    }

    [Theory]
    [MemberData(nameof(Watchers))]
    public async Task A_running_job_that_an_operator_deletes_is_aborted_as_without_JobLocking(Storages storages, string way)
    {
        await using Cluster cluster = redis.NewCluster(storages, hasTaskLockServices: true);
        Watcher watcher = new();
        Node a = await cluster.StartAsync("a", filters: (own, _) => watcher.Beside(own));
        (string job, JobProbe probe) = await BeginAsync(cluster, way);

        Assert.True(cluster.Client.Delete(job));

        await Eventually.IsTrueAsync(async () => (await a.HeldAsync()).Length == 0);
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Free("next", CancellationToken.None)));
        Assert.IsType<JobAbortedException>(watcher.Performed);
        Assert.Equal(0, probe.Ended);
        Assert.Equal(["Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Fact]
    public async Task A_job_that_is_deleted_after_the_loss_stays_deleted()
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        Watcher watcher = new();
        Node a = await cluster.StartAsync("a", filters: (own, _) => watcher.Beside(own));
        JobProbe probe = cluster.Probes["late"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Watching>(w => w.Late("x", "late", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        await BreakAsync(a);
        await Eventually.IsTrueAsync(() => probe.Lease!.Lost.IsCancellationRequested);

        Assert.True(cluster.Client.Delete(job));
        await Eventually.IsTrueAsync(() => watcher.Token!.ShutdownToken.IsCancellationRequested);
        probe.Release();

        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Free("next", CancellationToken.None)));
        Assert.IsType<JobAbortedException>(watcher.Performed);
        Assert.Equal(["Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Fact]
    public async Task A_job_that_ignores_its_token_has_succeeded_which_is_logged()
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        Node a = await cluster.StartAsync("a");
        JobProbe probe = cluster.Probes["never"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Watching>(w => w.Never("x", "never"));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        await BreakAsync(a);
        await Eventually.IsTrueAsync(() => probe.Lease!.Lost.IsCancellationRequested);

        probe.Release();

        await cluster.SucceedsAsync(job);
        Assert.Single(a.LoggedIds, 1008);
    }

    [Fact]
    public async Task Only_a_job_with_a_lock_gets_a_token_of_its_own()
    {
        await using Cluster cluster = redis.NewCluster(hasTaskLockServices: true);
        await cluster.StartAsync("a");

        JobState locked = await cluster.SucceedsAsync(cluster.Client.Enqueue<Watching>(w => w.TokenType("x", null)));
        JobState free = await cluster.SucceedsAsync(cluster.Client.Enqueue<Watching>(w => w.FreeTokenType(null)));

        Assert.Equal($"\"{nameof(LockedJobToken)}\"", locked.Data["Result"]);
        Assert.Equal("\"ServerJobCancellationToken\"", free.Data["Result"]);
    }

    private static async Task<(string Job, JobProbe Probe)> BeginAsync(Cluster cluster, string way)
    {
        JobProbe probe = cluster.Probes["watching"];
        probe.Hold();
        string job = Tasks.TryGetValue(way, out Expression<Func<Watching, Task>>? task)
            ? cluster.Client.Enqueue(task)
            : way == nameof(Watching.Waits)
            ? cluster.Client.Enqueue<Watching>(w => w.Waits("x", "watching", CancellationToken.None))
            : cluster.Client.Enqueue<Watching>(w => w.Throw("x", "watching", JobCancellationToken.Null));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        return (job, probe);
    }

    private static async Task BreakAsync(Node node)
    {
        HeldLock held = Assert.Single(await node.HeldAsync());
        Assert.True(await node.Locks.BreakAsync(held.Name, held.FencingToken!.Value, TestContext.Current.CancellationToken));
    }

    /// <summary>A filter between that of JobLocking and the job: it sees what a filter of a user sees.</summary>
    private sealed class Watcher : JobFilterAttribute, IServerFilter
    {
        /// <summary>The token of the locked job that began last.</summary>
        public IJobCancellationToken? Token { get; private set; }

        /// <summary>What ended the locked job that was performed last.</summary>
        public Exception? Performed { get; private set; }

        public JobFilterProviderCollection Beside(IJobFilterProvider own) =>
            new JobFilterProviderCollection(own, new JobFilterCollection { this });

        public void OnPerforming(PerformingContext context)
        {
            if (TaskLockFilter.RunOf(context) is not null)
            {
                Token = context.CancellationToken;
            }
        }

        public void OnPerformed(PerformedContext context)
        {
            if (TaskLockFilter.RunOf(context) is not null)
            {
                Performed = context.Exception;
            }
        }
    }
}
