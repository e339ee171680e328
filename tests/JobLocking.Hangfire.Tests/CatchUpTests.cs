using Hangfire;
using Hangfire.Common;
using Hangfire.InMemory;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>Which executions of a recurring job the schedule wants although the same job is running, and which are coalesced.</summary>
public sealed class CatchUpTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task Each_execution_that_a_strict_recurring_job_missed_runs(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        cluster.Probes["strict"].Hold();
        DateTime now = DateTime.UtcNow;
        AddStrict(cluster, "strict", "x", Cron.Hourly(now.AddMinutes(-30).Minute));
        using (IStorageConnection connection = cluster.Storage.GetConnection())
        using (IWriteOnlyTransaction transaction = connection.CreateWriteTransaction())
        {
            transaction.SetRangeInHash("recurring-job:strict", [new("LastExecution", JobHelper.SerializeDateTime(now.AddHours(-5)))]);
            transaction.AddToSet("recurring-jobs", "strict", JobHelper.ToTimestamp(now.AddHours(-4)));
            transaction.Commit();
        }

        await cluster.StartAsync("a", server: o => o.WorkerCount = 5);
        IMonitoringApi jobs = cluster.Storage.GetMonitoringApi();
        await Eventually.IsTrueAsync(() => jobs.ScheduledCount() == 4 && cluster.Probes["strict"].Begun == 1);
        cluster.Probes["strict"].Release();

        await Eventually.IsTrueAsync(() => jobs.SucceededListCount() == 5);
        Assert.Equal(0, jobs.DeletedListCount());
        Assert.Equal(5, cluster.Probes["strict"].Ended);
    }

    [Fact]
    public async Task A_recurring_job_without_a_next_execution_is_deferred_each_time_that_it_is_triggered()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        cluster.Recurring.AddOrUpdate<Work>("never", w => w.Auto("x", "never", CancellationToken.None), Cron.Never());
        cluster.Probes["never"].Hold();
        string first = cluster.Fire("never");
        await Eventually.IsTrueAsync(() => cluster.Probes["never"].Begun == 1);

        string[] next = [cluster.Fire("never"), cluster.Fire("never")];

        await cluster.IsDeferredAsync(next[0]);
        await cluster.IsDeferredAsync(next[1]);
        cluster.Probes["never"].Release();
        foreach (string job in (string[])[first, .. next])
        {
            await cluster.SucceedsAsync(job);
        }
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task At_most_a_thousand_executions_of_a_recurring_job_that_wants_each_run_wait(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        cluster.Recurring.AddOrUpdate<Patient>("never", p => p.Run("x", "never", CancellationToken.None), Cron.Never());
        List<string> deferred = [];
        for (int i = 0; i < 10; i++)
        {
            deferred.Add(cluster.Fire("never"));
            await cluster.IsDeferredAsync(deferred[i]);
        }

        string set = cluster.Record(deferred[0]).CountedIn!;
        using var connection = (JobStorageConnection)cluster.Storage.GetConnection();
        using (IWriteOnlyTransaction transaction = connection.CreateWriteTransaction())
        {
            for (int i = 10; i < 1000; i++)
            {
                transaction.AddToSet(set, $"1000{i}", JobHelper.ToTimestamp(DateTime.UtcNow.AddHours(1)));
            }

            transaction.Commit();
        }

        string tooMany = cluster.Fire("never");
        await cluster.SeesAsync(tooMany, DeletedState.StateName, "Coalesced: 1000 deferrals of the same recurring job are pending");
        Assert.True(cluster.Client.Delete(deferred[0]));
        deferred[0] = cluster.Fire("never");
        await cluster.IsDeferredAsync(deferred[0]);
        Assert.True(cluster.Client.Requeue(tooMany));
        await cluster.IsDeferredAsync(tooMany);

        await lease.DisposeAsync();
        foreach (string job in deferred)
        {
            await cluster.SucceedsAsync(job);
        }

        Assert.Empty(connection.GetAllItemsFromSet(set).Intersect(deferred));
    }

    [Fact]
    public async Task The_runs_of_a_recurring_job_during_an_outage_of_Redis_become_one_deferral_unless_it_is_strict()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Cluster cluster = new(redis.ConnectionString, new InMemoryStorage());
        await cluster.StartAsync("a", server: o => o.WorkerCount = 4);
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "nightly", CancellationToken.None));
        AddStrict(cluster, "strict", "y", Cron.Yearly());
        await cluster.SucceedsAsync(cluster.Fire("nightly"));
        await redis.KillAsync();

        string[] nightly = [.. Enumerable.Range(0, 5).Select(_ => cluster.Fire("nightly"))];
        string[] strict = [.. Enumerable.Range(0, 3).Select(_ => cluster.Fire("strict"))];
        foreach (string job in strict)
        {
            await IsDeferredAsync(job);
        }

        string pending = await PendingAsync(nightly);

        // A deferral that is not pending any more stands for nothing.
        Assert.True(cluster.Client.Delete(pending));
        nightly = [cluster.Fire("nightly"), cluster.Fire("nightly")];
        pending = await PendingAsync(nightly);

        await redis.RestartAsync();
        await cluster.SucceedsAsync(pending);
        foreach (string job in strict)
        {
            await cluster.SucceedsAsync(job);
        }

        Assert.Equal((2, 3), (cluster.Probes["nightly"].Ended, cluster.Probes["strict"].Ended));
        await redis.KillAsync();
        await IsDeferredAsync(cluster.Fire("nightly"));

        Task IsDeferredAsync(string job) => Eventually.IsTrueAsync(() => cluster.History(job).Any(s => s.Reason.StartsWith("Deferred", StringComparison.Ordinal)));

        // Different arguments mean different work.
        cluster.AddRecurring<Work>("nightly", w => w.Auto("x", "other", CancellationToken.None));
        await IsDeferredAsync(cluster.Fire("nightly"));

        async Task<string> PendingAsync(string[] fired)
        {
            await Eventually.IsTrueAsync(() => fired.Count(IsCoalesced) == fired.Length - 1);
            string left = Assert.Single(fired, job => !IsCoalesced(job));
            await IsDeferredAsync(left);
            return left;
        }

        bool IsCoalesced(string job) =>
            cluster.History(job)[0] is { Name: "Deleted" } state && state.Reason.StartsWith("Coalesced: a deferral of the same recurring job is pending; could not acquire lock 'work:x'", StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_exception_that_another_filter_has_handled_is_a_success_after_which_the_lock_is_kept()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a", filters: (own, _) => new JobFilterProviderCollection(own, new JobFilterCollection { new Handler() }));

        await cluster.SucceedsAsync(cluster.Client.Enqueue<Handled>(h => h.Run()));

        Assert.True(Assert.Single(await a.HeldAsync()).IsKept);
    }

    private static void AddStrict(Cluster cluster, string id, string key, string cron) => cluster.Recurring.AddOrUpdate<Work>(
        id, w => w.Auto(key, "strict", CancellationToken.None), cron, new RecurringJobOptions { MisfireHandling = MisfireHandlingMode.Strict });

    [AutomaticRetry(Attempts = 0)]
    public class Handled
    {
        [TaskLock("handled", MinHold = 60)]
        public void Run() => throw new InvalidOperationException("handled");
    }

    private sealed class Handler : IServerFilter
    {
        public void OnPerforming(PerformingContext context)
        {
        }

        public void OnPerformed(PerformedContext context) => context.ExceptionHandled = context.Exception is not null;
    }
}
