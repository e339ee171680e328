using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>
/// Deferrals that are woken and do not fire. No node polls the lock, so the next one fires only because of what follows the wake-up.
/// </summary>
public sealed class WokenTests(SharedRedis redis)
{
    private const string Busy = "busy";

    private static readonly string[] Locked = ["first", "second", "third"];

    [Fact]
    public async Task A_woken_deferral_of_a_scheduler_whose_threads_are_busy_lets_the_next_be_woken_and_keeps_its_position()
    {
        await using Cluster cluster = new(redis);
        (Node a, Node b, TaskLease held) = await WaitAsync(cluster);
        TaskCompletionSource busy = Ends(cluster, Busy);
        TaskCompletionSource second = Ends(cluster, "second");
        await a.FireOnceAsync(Busy);
        await cluster.Journal.BegunAsync(1);

        await held.DisposeAsync();

        Assert.Equal(new JobKey("second"), (await cluster.Journal.BegunAsync(2)).Job);
        Assert.NotEmpty(a.Logs.Of(1140));
        busy.SetResult();
        await a.Firings.EndedAsync(e => e is { IsDeferred: true, IsReturned: true });
        Assert.Equal(["DEFAULT.first", "DEFAULT.third"], (await b.Locks.ListAsync().ToArrayAsync())[0].Waiters.Select(waiter => waiter.Description.Job));
        second.SetResult();
        Assert.Equal(new JobKey("first"), (await cluster.Journal.BegunAsync(3)).Job);
        Assert.Equal(new JobKey("third"), (await cluster.Journal.BegunAsync(4)).Job);
    }

    [Fact]
    public async Task A_woken_deferral_that_is_unscheduled_before_it_fires_lets_the_next_be_woken()
    {
        await using Cluster cluster = new(redis);
        (Node a, _, TaskLease held) = await WaitAsync(cluster);
        TaskCompletionSource busy = Ends(cluster, Busy);
        await a.FireOnceAsync(Busy);
        await cluster.Journal.BegunAsync(1);

        await held.DisposeAsync();
        await Eventually.IsTrueAsync(() => a.Logs.Of(1107).Any());
        Assert.True(await a.Scheduler.UnscheduleJob((await a.PendingDeferralAsync()).Key));
        busy.SetResult();

        Assert.Equal(new JobKey("second"), (await cluster.Journal.BegunAsync(2)).Job);
    }

    /// <summary>One deferral in a scheduler with one thread, and two behind it in another.</summary>
    private static async Task<(Node A, Node B, TaskLease Held)> WaitAsync(Cluster cluster)
    {
        Node a = await StartAsync(cluster, "a", threads: 1);
        Node b = await StartAsync(cluster, "b", threads: 10);
        TaskLease held = await b.HoldAsync("report");
        foreach ((Node node, string job) in new[] { (a, "first"), (b, "second"), (b, "third") })
        {
            await node.FireOnceAsync(job);
            await node.Firings.EndedAsync(e => e.Job.Name == job && e.IsDeferred);
        }

        return (a, b, held);
    }

    private static async Task<Node> StartAsync(Cluster cluster, string name, int threads)
    {
        Node node = await cluster.StartAsync(name, n =>
        {
            foreach (string job in Locked)
            {
                n.Lock(job, new TaskLockAttribute("report") { DeferBy = 3600 });
            }

            n.Quartz = quartz => quartz.UseDefaultThreadPool(threads);
        });
        node.Store.IsBlind = true;
        return node;
    }

    private static TaskCompletionSource Ends(Cluster cluster, string job)
    {
        TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Func<Journal.Run, CancellationToken, Task> before = cluster.Journal.Do;
        cluster.Journal.Do = (run, token) => run.Job.Name == job ? end.Task.WaitAsync(token) : before(run, token);
        return end;
    }
}
