using System.Diagnostics;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>The worker's jobs have Expire = 3 and DeferBy = 3600, and a process polls a lock every 5 seconds: a job that runs soon was woken.</summary>
public sealed class WaiterTests
{
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan SafetyPoll = TimeSpan.FromSeconds(5.1);

    // On a busy machine, starting a thread may take long; a deferral that is not woken takes an hour.
    private static readonly TimeSpan Noise = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task When_the_holder_is_killed_all_that_are_queued_in_other_processes_run_one_after_the_other()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess[] workers = await cluster.StartAsync("holding", "left", "right");
        WorkerProcess[] others = workers[1..];
        workers[0].Tell("quartz 1 held");
        await cluster.EnteredAsync(1);
        // Ten jobs, and three executions that wait in place.
        await cluster.EnqueueAsync(others[0], hangfire: 3, quartz: 2, wait: 1);
        await cluster.EnqueueAsync(others[1], hangfire: 2, quartz: 3, wait: 2);
        int[] said = [.. others.Select(w => w.Facts.Count)];

        await workers[0].KillAsync();
        long killed = Stopwatch.GetTimestamp();
        await cluster.EnteredAsync(2);
        Assert.InRange(Stopwatch.GetElapsedTime(killed), TimeSpan.Zero, Expiry + SafetyPoll + Noise);
        await cluster.RanOneByOneAsync(13, killed: 1);

        // No job was started to find out whether the lock is free.
        Assert.All(others.Zip(said), other =>
        {
            IEnumerable<string> later = other.First.Facts.Skip(other.Second);
            Assert.Contains(later, IsWoken);
            Assert.DoesNotContain(later.TakeWhile(f => !IsWoken(f)), f => f.Split(' ') is ["acquire" or "state" or "fired", ..]);
        });
    }

    [Fact]
    public async Task A_hundred_waiters_in_five_processes_run_in_order_with_one_message_for_each_release()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess[] workers = await cluster.StartAsync("a", "a", "a", "a", "a");
        workers[0].Tell("wait 1 held");
        await cluster.EnteredAsync(1);
        foreach (WorkerProcess worker in workers)
        {
            await cluster.EnqueueAsync(worker, hangfire: 7, quartz: 7, wait: 6);
        }

        // Each process sent a notification to itself when it checked its store.
        string[] queue = await cluster.QueueAsync();
        int before = await cluster.PublishedAsync();
        workers[0].Tell("end 1");
        await cluster.LeftAsync(101);
        int published = await cluster.PublishedAsync() - before;
        await cluster.RanOneByOneAsync(101);

        // A poll between a release and the woken waiter lets two executions try for one lock.
        int released = cluster.Count("released"), declined = cluster.Count("declined") + cluster.Count("withdrawn"), sawFree = cluster.Count("polled free");
        Assert.Equal(101, released);
        Assert.InRange(published, 100 - sawFree, released + declined);

        // Before it is deferred, a job tries once without a waiter, except in the process that holds the lock: Quartz jobs in four
        // processes, and Hangfire jobs wherever they are fetched.
        int withoutWaiter = cluster.Count("acquire - ");
        Assert.InRange(withoutWaiter, 4 * 7, (4 * 7) + (5 * 7));
        Assert.InRange(cluster.Count("acquire") - withoutWaiter, 101, 101 + published + sawFree);

        Dictionary<long, string> ids = cluster.WaiterIds();
        string[] ran = [.. (await cluster.JournalAsync()).Where(e => e.Enters).Skip(1).Select(e => ids[e.Token])];
        Assert.Equal(queue.Order(), ran.Order());

        // Fair, not strict: a process that stalls when it is woken is overtaken. Random order would differ by 33 positions on average.
        Assert.InRange(queue.Index().Average(queued => Math.Abs(Array.IndexOf(ran, queued.Item) - queued.Index)), 0, 10);
    }

    [Fact]
    public async Task A_frozen_process_that_is_sent_a_wake_up_does_not_hold_up_the_others_and_is_woken_later()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess[] workers = await cluster.StartAsync("holding", "frozen", "other");
        (WorkerProcess holder, WorkerProcess frozen, WorkerProcess other) = (workers[0], workers[1], workers[2]);
        holder.Tell("wait 1 held");
        await cluster.EnteredAsync(1);
        await cluster.EnqueueAsync(frozen, hangfire: 1, quartz: 1, wait: 1);
        await cluster.EnqueueAsync(other, hangfire: 0, quartz: 1, wait: 0);

        frozen.Freeze();
        holder.Tell("end 1");
        long free = Stopwatch.GetTimestamp();
        await cluster.LeftAsync(2);
        Assert.InRange(Stopwatch.GetElapsedTime(free), TimeSpan.Zero, SafetyPoll + Noise);
        Assert.True(other.HasSaid("polled free"));
        Assert.False(other.HasSaid("wake-up"));

        Assert.False(frozen.HasSaid("wake-up"));
        frozen.Thaw();
        await cluster.RanOneByOneAsync(5);
        Assert.True(frozen.HasSaid("wake-up"));
    }

    [Fact]
    public async Task The_entries_of_a_killed_process_do_not_delay_the_next_in_the_queue()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess[] workers = await cluster.StartAsync("holding", "killed", "next");
        (WorkerProcess holder, WorkerProcess killed, WorkerProcess next) = (workers[0], workers[1], workers[2]);
        holder.Tell("quartz 1 held");
        await cluster.EnteredAsync(1);
        await cluster.EnqueueAsync(killed, hangfire: 1, quartz: 1, wait: 1);
        await cluster.EnqueueAsync(next, hangfire: 1, quartz: 0, wait: 0);

        await killed.KillAsync();
        await Eventually.SeesAsync(cluster.ListenersAsync, listeners => listeners == 2);
        holder.Tell("end 1");
        await cluster.RanOneByOneAsync(2);

        // By the release itself, not by a safety poll.
        Assert.True(next.HasSaid("wake-up"));
    }

    private static bool IsWoken(string fact) => fact == "polled free" || fact.StartsWith("wake-up ", StringComparison.Ordinal);
}
