using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>The jobs here would come back by themselves only after an hour, or no scheduler polls for them before that.</summary>
public sealed class WakeTests(SharedRedis redis)
{
    private const string Woken = "Woken: lock 'work:x' is free";

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_release_wakes_a_deferred_job_once_and_at_once(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        Node b = await cluster.StartAsync("b");
        TaskLease lease = await b.TakeAsync("work:x");
        string job = Enqueue(cluster, "deferred");
        await cluster.IsDeferredAsync(job);
        Assert.Equal([job], await a.QueuedAsync());

        await lease.DisposeAsync();

        await cluster.SucceedsAsync(job);
        Assert.Equal(["Succeeded", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        Assert.Equal(Woken, cluster.History(job)[2].Reason);
        Assert.Null(cluster.Parameter(job, "RetryCount"));
        Assert.Empty(await a.HeldAsync());
    }

    [Fact]
    public async Task A_break_wakes_a_deferred_job()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        string job = Enqueue(cluster, "deferred");
        await cluster.IsDeferredAsync(job);

        Assert.True(await a.Locks.BreakAsync("work:x", lease.FencingToken, TestContext.Current.CancellationToken));

        await cluster.SucceedsAsync(job);
    }

    [Fact]
    public async Task A_deferred_job_is_woken_when_the_lease_of_a_dead_holder_has_expired()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await a.AbandonAsync("work:x", TimeSpan.FromSeconds(2));
        string job = Enqueue(cluster, "deferred");
        await cluster.IsDeferredAsync(job);

        await cluster.SucceedsAsync(job);

        Assert.Equal(1, cluster.History(job).Count(s => s.Reason == Woken));
    }

    [Fact]
    public async Task A_deferred_job_does_not_move_while_the_holder_is_alive()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = (await a.Locks.TryAcquireAsync("work:x", new TaskLockOptions { Expire = TimeSpan.FromSeconds(1) }, TestContext.Current.CancellationToken))!;
        string job = Enqueue(cluster, "deferred");
        await cluster.IsDeferredAsync(job);
        DateTimeOffset expiresAt = lease.ExpiresAt;

        // The lease might have expired at any second, so the lock is polled each second.
        await Eventually.IsTrueAsync(() => lease.ExpiresAt - expiresAt > TimeSpan.FromSeconds(3));

        Assert.Equal(["Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        Assert.Equal([job], await a.QueuedAsync());
    }

    [Fact]
    public async Task A_deferred_job_that_is_long_overdue_is_woken_although_the_schedule_is_polled_rarely()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a", server: o => o.SchedulePollingInterval = TimeSpan.FromHours(1));
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<Work>(w => w.Auto("x", "overdue", CancellationToken.None));
        DateTime due = JobHelper.DeserializeDateTime((await cluster.IsDeferredAsync(job)).Data["EnqueueAt"]);

        // With Hangfire's own default of 15 seconds, its scheduler would have found the job by now.
        await Eventually.IsTrueAsync(() => TimeProvider.System.GetUtcNow().UtcDateTime - due > TimeSpan.FromSeconds(23));
        Assert.Equal([job], await a.QueuedAsync());
        await lease.DisposeAsync();

        await cluster.SucceedsAsync(job);
        Assert.Equal(["Succeeded", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task Many_deferred_jobs_run_in_the_order_they_came_each_woken_once(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a", server: o => o.WorkerCount = 2);
        await cluster.StartAsync("b", server: o => o.WorkerCount = 2);
        TaskLease lease = await a.TakeAsync("work:x");
        string[] names = [.. Enumerable.Range(0, 12).Select(i => $"{i}")];
        List<string> jobs = [];
        foreach (string probe in names)
        {
            jobs.Add(Enqueue(cluster, probe));
            await cluster.IsDeferredAsync(jobs[^1]);
        }

        Assert.Equal(jobs, await a.QueuedAsync());
        await lease.DisposeAsync();

        foreach (string job in jobs)
        {
            await cluster.SucceedsAsync(job);
            Assert.Equal(["Succeeded", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        }

        Assert.Equal(names, cluster.Probes.Begun);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_deferred_job_that_a_user_has_rescheduled_stays_as_it_is_and_the_next_is_woken(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string rescheduled = Enqueue(cluster, "rescheduled");
        await cluster.IsDeferredAsync(rescheduled);
        string next = Enqueue(cluster, "next");
        await cluster.IsDeferredAsync(next);
        Assert.True(cluster.Client.Reschedule(rescheduled, TimeSpan.FromDays(1)));
        JobState theirs = cluster.History(rescheduled)[0];

        await lease.DisposeAsync();
        await cluster.SucceedsAsync(next);

        Assert.Equal(["Scheduled", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(rescheduled).Select(s => s.Name));
        Assert.Equal(theirs.Data, cluster.History(rescheduled)[0].Data);
        Assert.Equal(0, cluster.Probes["rescheduled"].Begun);
        Assert.Equal([rescheduled], cluster.Storage.GetMonitoringApi().ScheduledJobs(0, 10).Select(j => j.Key));
    }

    [Fact]
    public async Task The_next_is_woken_instead_of_a_deferred_job_that_is_deleted()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string deleted = Enqueue(cluster, "deleted");
        await cluster.IsDeferredAsync(deleted);
        string next = Enqueue(cluster, "next");
        await cluster.IsDeferredAsync(next);
        Assert.True(cluster.Client.Delete(deleted));

        await lease.DisposeAsync();

        await cluster.SucceedsAsync(next);
        Assert.Equal(DeletedState.StateName, cluster.History(deleted)[0].Name);
        Assert.Equal(0, cluster.Probes["deleted"].Begun);
    }

    [Fact]
    public async Task The_next_is_woken_instead_of_a_deferred_job_that_has_given_up()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string impatient = cluster.Client.Enqueue<Work>(w => w.GiveUp("x", "impatient", CancellationToken.None));
        await cluster.IsDeferredAsync(impatient);
        string next = Enqueue(cluster, "next");
        await cluster.IsDeferredAsync(next);

        await cluster.SeesAsync(impatient, FailedState.StateName);
        await Eventually.SeesAsync(a.QueuedAsync, queued => queued.SequenceEqual([next]));
        await lease.DisposeAsync();

        await cluster.SucceedsAsync(next);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_deferred_job_keeps_its_position_when_another_server_tries_it_and_the_lock_is_taken(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string first = Enqueue(cluster, "first");
        await cluster.IsDeferredAsync(first);
        string second = Enqueue(cluster, "second");
        await cluster.IsDeferredAsync(second);
        string? waiter = WaiterOf(cluster.Record(first));
        cluster.Probes["busy"].Hold();
        cluster.Client.Enqueue<Work>(w => w.Free("busy", CancellationToken.None));
        await Eventually.IsTrueAsync(() => cluster.Probes["busy"].Begun == 1);
        await cluster.StartAsync("b");

        Assert.True(cluster.Client.Requeue(first));

        await cluster.IsDeferredAsync(first, times: 2);
        Assert.Equal(waiter, WaiterOf(cluster.Record(first)));
        Assert.Equal([first, second], await a.QueuedAsync());
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(first);
        await cluster.SucceedsAsync(second);
        Assert.Equal(["busy", "first", "second"], cluster.Probes.Begun);
        cluster.Probes["busy"].Release();
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_wake_up_resets_the_doubling_of_the_delay_on_every_server(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string job = cluster.Client.Enqueue<DoublingWork>(w => w.Run("x", "doubled", CancellationToken.None));
        TimeSpan first = Delay(await cluster.IsDeferredAsync(job));
        Assert.True(cluster.Client.Requeue(job));
        TimeSpan second = Delay(await cluster.IsDeferredAsync(job, times: 2));
        cluster.Probes["busy"].Hold();
        cluster.Client.Enqueue<Work>(w => w.Free("busy", CancellationToken.None));
        await Eventually.IsTrueAsync(() => cluster.Probes["busy"].Begun == 1);

        await lease.DisposeAsync();
        await cluster.SeesAsync(job, EnqueuedState.StateName, Woken);
        Assert.Equal(["2", "0"], cluster.Record(job).Deferral!.Split(';')[1..3]);
        await using TaskLease faster = await a.TakeAsync("work:x");
        await cluster.StartAsync("b");
        TimeSpan third = Delay(await cluster.IsDeferredAsync(job, times: 3));

        Assert.Equal((100, 200, 100), (Math.Round(first.TotalSeconds), Math.Round(second.TotalSeconds), Math.Round(third.TotalSeconds)));
        Assert.Equal([job], await a.QueuedAsync());
        cluster.Probes["busy"].Release();
    }

    /// <summary>The waiter in a deferral state, which stays the same while the job is deferred again.</summary>
    private static string WaiterOf(AttemptRecord record) => record.Deferral!.Split(';')[4];

    /// <summary>The lock becomes free while the job is on its way from its refusal to the schedule.</summary>
    public enum Moments
    {
        BeforeTheElection,
        InTheElection,
        AfterTheElection,
    }

    public static MatrixTheoryData<Moments, Storages> EachMoment => new(Enum.GetValues<Moments>(), Enum.GetValues<Storages>());

    [Theory]
    [MemberData(nameof(EachMoment))]
    public async Task A_wake_up_that_comes_before_the_deferral_is_stored_is_not_lost(Moments moment, Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Meanwhile meanwhile = new(moment);
        Node a = await cluster.StartAsync("a", filters: (own, _) => new JobFilterProviderCollection(own, meanwhile.AsProvider()));
        TaskLease lease = await a.TakeAsync("work:x");
        meanwhile.Do = () => lease.DisposeAsync().AsTask().GetAwaiter().GetResult();

        string job = Enqueue(cluster, "deferred");

        await cluster.SucceedsAsync(job);
        Assert.Equal(["Succeeded", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
    }

    [Fact]
    public async Task A_job_whose_deferral_another_filter_replaces_leaves_the_queue()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a", filters: (own, _) => new JobFilterProviderCollection(own, new JobFilterCollection { { new NoDeferrals(), 0 } }));
        await using TaskLease lease = await a.TakeAsync("work:x");

        string job = Enqueue(cluster, "replaced");

        await cluster.SeesAsync(job, FailedState.StateName, "No deferrals here");
        await Eventually.SeesAsync(a.QueuedAsync, queued => queued.Length == 0);
    }

    [Theory]
    [ClassData<EachStorage>]
    public async Task A_woken_job_returns_to_the_queue_it_was_created_in(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages);
        Node a = await cluster.StartAsync("a", server: o => o.Queues = ["critical"]);
        TaskLease lease = await a.TakeAsync("work:x");
        string[] jobs =
        [
            cluster.Client.Create<Patient>(p => p.Run("x", "by-state", CancellationToken.None), new EnqueuedState("critical")),
            cluster.Client.Enqueue<Patient>("critical", p => p.Run("x", "by-job", CancellationToken.None)),
            cluster.Client.Enqueue<CriticalPatient>(p => p.Run("x", "by-attribute", CancellationToken.None)),
        ];
        foreach (string job in jobs)
        {
            await cluster.IsDeferredAsync(job);
        }

        await lease.DisposeAsync();

        foreach (string job in jobs)
        {
            await cluster.SucceedsAsync(job);
        }
    }

    private static string Enqueue(Cluster cluster, string probe) => cluster.Client.Enqueue<Patient>(p => p.Run("x", probe, CancellationToken.None));

    private static TimeSpan Delay(JobState scheduled) =>
        JobHelper.DeserializeDateTime(scheduled.Data["EnqueueAt"]) - JobHelper.DeserializeDateTime(scheduled.Data["ScheduledAt"]);

    /// <summary>Does something once, while a job that was refused its lock is on its way to the schedule.</summary>
    private sealed class Meanwhile(Moments moment) : IServerFilter, IElectStateFilter, IApplyStateFilter
    {
        public Action? Do { get; set; }

        // Outside our filter, so that it is called after ours has refused the job; inside our filter in an election, so that it is called
        // after ours.
        public JobFilterCollection AsProvider() => new JobFilterCollection { { this, moment == Moments.BeforeTheElection ? -2000 : 0 } };

        public void OnPerforming(PerformingContext context)
        {
        }

        public void OnPerformed(PerformedContext context) => At(Moments.BeforeTheElection, context.Canceled);

        public void OnStateElection(ElectStateContext context) => At(Moments.InTheElection, context.CandidateState is ScheduledState);

        public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction) => At(Moments.AfterTheElection, context.NewState is ScheduledState);

        public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
        }

        private void At(Moments now, bool isDeferred)
        {
            if (now == moment && isDeferred && Do is { } act)
            {
                Do = null;
                act();
            }
        }
    }

    private sealed class NoDeferrals : IElectStateFilter
    {
        public void OnStateElection(ElectStateContext context)
        {
            if (context.CandidateState is ScheduledState)
            {
                context.CandidateState = new FailedState(new InvalidOperationException("No deferrals here")) { Reason = "No deferrals here" };
            }
        }
    }
}
