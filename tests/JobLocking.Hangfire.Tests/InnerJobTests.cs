using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>Jobs that another job performs inside itself, in a separate context, as Hangfire.DynamicJobs does.</summary>
public sealed class InnerJobTests(SharedRedis redis)
{
    private static readonly string[] DeferredAndWoken = ["Succeeded", "Processing", "Enqueued", "Scheduled", "Failed", "Processing", "Enqueued"];

    [Theory]
    [ClassData<EachStorage>]
    public async Task An_inner_job_whose_lock_is_taken_defers_the_outer_one_which_is_woken_and_uses_up_no_retry(Storages storages)
    {
        await using Cluster cluster = redis.NewCluster(storages, isBlind: true);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string outer = cluster.Client.Enqueue<Outer>(o => o.Perform("patient", null!));
        await cluster.IsDeferredAsync(outer);
        Assert.Equal([outer], await a.QueuedAsync());

        await lease.DisposeAsync();

        await cluster.SucceedsAsync(outer);
        Assert.Equal(DeferredAndWoken, cluster.History(outer).Select(s => s.Name));
        Assert.Equal(1, cluster.Probes["patient"].Ended);
        Assert.Null(cluster.Parameter(outer, "RetryCount"));
        Assert.Empty(await a.HeldAsync());
        Assert.DoesNotContain(2020, a.LoggedIds);
    }

    [Fact]
    public async Task An_inner_job_that_is_skipped_skips_the_outer_one()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string outer = cluster.Client.Enqueue<Outer>(o => o.Perform("skip", null!));

        await cluster.SeesAsync(outer, DeletedState.StateName, "Skipped: lock 'work:x' is held by tests on a, code");
        Assert.Null(cluster.Parameter(outer, "RetryCount"));
        Assert.Equal(0, cluster.Probes["skip"].Begun);
    }

    [Fact]
    public async Task An_outer_job_gives_its_own_lock_back_while_it_is_deferred_for_the_inner_one_and_both_have_theirs_when_they_run()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string outer = cluster.Client.Enqueue<Outer>(o => o.PerformLocked("patient", null!));
        await cluster.IsDeferredAsync(outer);
        string later = cluster.Client.Enqueue<Patient>(p => p.Run("x", "later", CancellationToken.None));
        await cluster.IsDeferredAsync(later);

        // Despite its minimum hold: its run was aborted, not completed.
        Assert.Equal(["work:x"], (await a.HeldAsync()).Select(held => held.Name));
        Assert.Equal([outer, later], await a.QueuedAsync());

        // While the outer job waits for its own lock, the next job that waits for the other lock runs.
        TaskLease own = await a.TakeAsync("outer");
        await lease.DisposeAsync();
        await cluster.SeesAsync(outer, ScheduledState.StateName, "Deferred (1): lock 'outer'");
        await cluster.SucceedsAsync(later);
        Assert.DoesNotContain(1140, a.LoggedIds);
        await own.DisposeAsync();

        await cluster.SucceedsAsync(outer);
        Assert.Equal(["work:x", "work:x"], cluster.Probes["patient"].Locks);
        Assert.Equal("\"outer\"", cluster.History(outer)[0].Data["Result"]);
    }

    [Fact]
    public async Task An_inner_job_that_needs_the_lock_of_its_outer_job_runs_under_that_lease()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        await cluster.StartAsync("a");

        string outer = cluster.Client.Enqueue<Outer>(o => o.PerformUnderTheSameLock("patient", null!));

        await cluster.SucceedsAsync(outer);
        Assert.Equal(["Succeeded", "Processing", "Enqueued"], cluster.History(outer).Select(s => s.Name));
        Assert.Equal(1, cluster.Probes["patient"].Ended);
    }

    [Fact]
    public async Task An_outer_job_has_its_lease_again_after_each_inner_one()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        await cluster.StartAsync("a");

        string outer = cluster.Client.Enqueue<Outer>(o => o.PerformTwice("patient", null!));

        await cluster.SucceedsAsync(outer);
        Assert.Equal("\"outer\"", cluster.History(outer)[0].Data["Result"]);
        Assert.Equal(2, cluster.Probes["patient"].Ended);
    }

    [Fact]
    public async Task An_outer_job_that_handles_the_exception_succeeds_with_a_warning_and_the_inner_one_no_longer_waits()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");

        string outer = cluster.Client.Enqueue<Outer>(o => o.Handle("patient", null!));

        await cluster.SucceedsAsync(outer);
        Assert.Contains(2020, a.LoggedIds);
        await Eventually.SeesAsync(a.QueuedAsync, queued => queued.Length == 0);
        await lease.DisposeAsync();
    }

    [Fact]
    public async Task An_outer_job_that_throws_an_exception_of_its_own_instead_fails_with_it()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string outer = cluster.Client.Enqueue<Outer>(o => o.Wrap("patient", null!));

        await cluster.SeesAsync(outer, ScheduledState.StateName, "Retry attempt 1 of 3: mine");
        Assert.Contains(2020, a.LoggedIds);
        await Eventually.SeesAsync(a.QueuedAsync, queued => queued.Length == 0);
    }

    [Fact]
    public async Task An_inner_job_that_fails_fails_the_outer_one_as_always()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");
        cluster.Probes["other"].Failure = new InvalidOperationException("the work");

        string failed = cluster.Client.Enqueue<Outer>(o => o.Perform("other", null!));
        string refused = cluster.Client.Enqueue<Outer>(o => o.Perform("fail", null!));

        await cluster.SeesAsync(failed, ScheduledState.StateName, "Retry attempt 1 of 3: ");
        await cluster.SeesAsync(refused, ScheduledState.StateName, "Retry attempt 1 of 3: ");
        Assert.Equal("1", cluster.Parameter(failed, "RetryCount"));
    }

    [Fact]
    public async Task A_job_inside_an_inner_job_with_another_id_defers_the_outermost_one()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        Node a = await cluster.StartAsync("a");
        TaskLease lease = await a.TakeAsync("work:x");
        string outer = cluster.Client.Enqueue<Outer>(o => o.PerformNested("patient", null!));
        await cluster.IsDeferredAsync(outer);
        string? deferral = cluster.Record(outer).Deferral;
        await lease.DisposeAsync();
        await cluster.SucceedsAsync(outer);
        Assert.Equal(DeferredAndWoken, cluster.History(outer).Select(s => s.Name));
        Assert.Equal(1, cluster.Probes["patient"].Ended);
        Assert.NotNull(deferral);
        Assert.Null(cluster.Record(outer).Deferral);
    }

    [Fact]
    public async Task A_job_that_another_enqueues_is_no_inner_job()
    {
        await using Cluster cluster = redis.NewCluster();
        Node a = await cluster.StartAsync("a");
        await using TaskLease lease = await a.TakeAsync("work:x");

        string outer = cluster.Client.Enqueue<Outer>(o => o.Enqueue("enqueued", null!));

        await cluster.SucceedsAsync(outer);
        string enqueued = cluster.History(outer)[0].Data["Result"].Trim('"');
        await cluster.IsDeferredAsync(enqueued);
        Assert.Equal(["Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(enqueued).Select(s => s.Name));
    }
}

/// <summary>Performs other jobs inside itself. Retried an hour later, so that a test notices a used-up retry.</summary>
[AutomaticRetry(Attempts = 3, DelaysInSeconds = [3600])]
public class Outer(ITaskLeaseAccessor leases)
{
    public void Perform(string inner, PerformContext context) => Perform(context, Inner(inner), context.BackgroundJob.Id);

    [TaskLock("outer", DeferBy = 3600, MinHold = 60)]
    public string PerformLocked(string inner, PerformContext context)
    {
        Perform(context, Inner(inner), context.BackgroundJob.Id);
        return leases.Required.Name;
    }

    [TaskLock("outer")]
    public string PerformTwice(string inner, PerformContext context)
    {
        Perform(inner, context);
        Perform(inner, context);
        return leases.Required.Name;
    }

    [TaskLock("work:x")]
    public void PerformUnderTheSameLock(string inner, PerformContext context) => Perform(inner, context);

    public async Task PerformNested(string inner, PerformContext context)
    {
        await Task.Yield();
        Perform(context, Job.FromExpression<Outer>(o => o.Perform(inner, null!)), "another id");
    }

    public void Handle(string inner, PerformContext context)
    {
        try
        {
            Perform(inner, context);
        }
        catch (JobPerformanceException)
        {
            // It handles the exception itself.
        }
    }

    public void Wrap(string inner, PerformContext context)
    {
        try
        {
            Perform(inner, context);
        }
        catch (JobPerformanceException e)
        {
            throw new InvalidOperationException("mine", e);
        }
    }

    public string Enqueue(string probe, PerformContext context) =>
        new BackgroundJobClient(context.Storage).Enqueue<Patient>(p => p.Run("x", probe, CancellationToken.None));

    private static Job Inner(string kind) => kind switch
    {
        "patient" => Job.FromExpression<Patient>(p => p.Run("x", kind, CancellationToken.None)),
        "skip" => Job.FromExpression<Work>(w => w.Skip("x", kind, CancellationToken.None)),
        "fail" => Job.FromExpression<Work>(w => w.Fail("x", kind, CancellationToken.None)),
        _ => Job.FromExpression<Work>(w => w.Free(kind, CancellationToken.None)),
    };

    private static void Perform(PerformContext context, Job inner, string id) => context.Performer!.Perform(new PerformContext(
        context.Storage, context.Connection, new BackgroundJob(id, inner, context.BackgroundJob.CreatedAt), context.CancellationToken));
}
