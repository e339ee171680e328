using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// Jobs that are woken and do not run. No node polls the lock, so the next job runs only because of what follows the wake-up.
/// </summary>
public sealed class WokenTests(SharedRedis redis)
{
    [Theory]
    [ClassData<EachStorage>]
    public async Task A_woken_job_that_a_filter_deletes_before_it_runs_passes_its_wake_up_on(Storages storages)
    {
        TooLate late = new();
        await using Cluster cluster = redis.NewCluster(storages, isBlind: true);
        Node a = await cluster.StartAsync("a", filters: (provider, _) => new JobFilterProviderCollection(provider, new JobFilterCollection { late }));
        TaskLease lease = await a.TakeAsync("work:x");
        string urgent = await DeferAsync(cluster, "urgent");
        string patient = await DeferAsync(cluster, "patient");
        late.Job = urgent;

        await lease.DisposeAsync();

        await cluster.SucceedsAsync(patient);
        Assert.Equal(["Deleted", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(urgent).Select(s => s.Name));
        Assert.DoesNotContain(1140, a.LoggedIds);
    }

    [Fact]
    public async Task A_woken_job_that_an_operator_deletes_while_the_workers_are_busy_passes_its_wake_up_on()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        IJobFilterProvider filters = JobFilterProviders.Providers;
        Node a = await StartCriticalAsync(cluster, (provider, _) => filters = provider);
        Node b = await cluster.StartAsync("b", server: o => o.Queues = ["default"]);
        TaskLease lease = await b.TakeAsync("work:x");
        string deleted = await DeferAsync(cluster, "deleted", "critical");
        string next = await DeferAsync(cluster, "next");
        await OccupyAsync(cluster);
        await lease.DisposeAsync();
        await cluster.SeesAsync(deleted, EnqueuedState.StateName, "Woken: ");

        BackgroundJobClient client = new(cluster.Storage, filters);
        Assert.True(client.Delete(deleted));

        await cluster.SucceedsAsync(next);
        Assert.DoesNotContain(1140, a.LoggedIds);
        cluster.Probes["busy"].Release();
    }

    [Fact]
    public async Task A_woken_job_whose_workers_are_busy_lets_the_next_be_woken_and_keeps_its_position()
    {
        await using Cluster cluster = redis.NewCluster(isBlind: true);
        Node a = await StartCriticalAsync(cluster);
        Node b = await cluster.StartAsync("b", server: o => o.Queues = ["default"]);
        TaskLease lease = await b.TakeAsync("work:x");
        string first = await DeferAsync(cluster, "first", "critical");
        string second = await DeferAsync(cluster, "second");
        string third = await DeferAsync(cluster, "third");
        await OccupyAsync(cluster);
        cluster.Probes["second"].Hold();

        await lease.DisposeAsync();

        await Eventually.IsTrueAsync(() => cluster.Probes["second"].Begun == 1);
        Assert.Contains(1140, a.LoggedIds);
        Assert.Equal(0, cluster.Probes["first"].Begun);
        cluster.Probes["busy"].Release();
        await cluster.IsDeferredAsync(first, times: 2);
        Assert.Equal([first, third], await b.QueuedAsync());
        cluster.Probes["second"].Release();
        foreach (string job in new[] { second, first, third })
        {
            await cluster.SucceedsAsync(job);
        }

        Assert.Equal(["busy", "second", "first", "third"], cluster.Probes.Begun);
    }

    private static async Task<string> DeferAsync(Cluster cluster, string probe, string queue = "default")
    {
        string job = cluster.Client.Enqueue<Patient>(queue, p => p.Run("x", probe, CancellationToken.None));
        await cluster.IsDeferredAsync(job);
        return job;
    }

    /// <summary>A node with one worker, for one queue.</summary>
    private static Task<Node> StartCriticalAsync(Cluster cluster, Func<IJobFilterProvider, IServiceProvider, IJobFilterProvider>? filters = null) =>
        cluster.StartAsync("a", server: o => o.Queues = ["critical"], filters: filters);

    private static async Task OccupyAsync(Cluster cluster)
    {
        JobProbe busy = cluster.Probes["busy"];
        busy.Hold();
        cluster.Client.Enqueue<Work>("critical", w => w.Free("busy", CancellationToken.None));
        await Eventually.IsTrueAsync(() => busy.Begun == 1);
    }

    /// <summary>As <see cref="LatencyTimeoutAttribute"/> does, for one job.</summary>
    private sealed class TooLate : IElectStateFilter
    {
        public string? Job { get; set; }

        public void OnStateElection(ElectStateContext context)
        {
            if (context.CandidateState is ProcessingState && context.BackgroundJob.Id == Job)
            {
                context.CandidateState = new DeletedState { Reason = "Too late" };
            }
        }
    }
}
