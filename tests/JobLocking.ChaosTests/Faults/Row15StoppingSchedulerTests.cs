using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 15, for the jobs of both schedulers: while a host stops, and after that, the lease of a job that continues is renewed until the run
/// ends, or is lost and reported; an aborted run releases it at once.
/// </summary>
public sealed class Row15StoppingSchedulerTests
{
    /// <summary>No test waits that long.</summary>
    private static readonly TimeSpan Forever = TimeSpan.FromMinutes(10);

    [Theory]
    [InlineData("hangfire")]
    [InlineData("quartz")]
    public async Task A_job_that_drains_keeps_its_lease_until_it_ends(string scheduler)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker stopping = await StartAsync(lab, "stopping", scheduler, Lab.Expiry, patience: Forever);
        HistoryEvent holder = await RunsAsync(stopping, 1, "stubborn");
        Worker other = await StartAsync(lab, "other", scheduler, Lab.Expiry, patience: Forever);
        await QueuesAsync(lab, other, 2);
        stopping.Process.Tell("stop");
        await stopping.Process.SaysAsync("stopping");

        await KeepsItsLeaseAsync(lab, holder);
        Assert.False(stopping.Process.HasSaid("stopped"), "It was to wait for its job.");
        await EndsAsync(stopping, holder, other);
        await stopping.Process.SaysAsync("stopped");
        AssertNobodyMet(lab);
    }

    [Theory]
    [InlineData("hangfire")]
    [InlineData("quartz")]
    public async Task A_job_that_outlives_the_shutdown_timeout_of_its_host_keeps_its_lease_until_it_ends(string scheduler)
    {
        await using Lab lab = await Lab.StartAsync();
        (Worker stopped, HistoryEvent holder, Worker other) = await OutliveAsync(lab, scheduler);
        await KeepsItsLeaseAsync(lab, holder);
        await EndsAsync(stopped, holder, other);
        AssertNobodyMet(lab);
    }

    [Theory]
    [InlineData("hangfire")]
    [InlineData("quartz")]
    public async Task A_job_that_outlives_even_the_connection_of_its_host_learns_of_the_loss(string scheduler)
    {
        await using Lab lab = await Lab.StartAsync();
        (Worker stopped, HistoryEvent holder, Worker other) = await OutliveAsync(lab, scheduler);
        stopped.Process.Tell("dispose");
        await stopped.Process.SaysAsync("disposed");

        HistoryEvent lost = await lab.LosesAsync(stopped.Name, "x");
        HistoryEvent next = await other.GetsAsync("x");
        Assert.True(next.Token > holder.Token);
        Assert.True(next.At > lost.At);
        AssertNobodyMet(lab);
    }

    /// <summary>Its lease would last for longer than any wait in these tests.</summary>
    [Theory]
    [InlineData("hangfire")]
    [InlineData("quartz")]
    public async Task A_job_that_is_aborted_gives_its_lease_back_at_once(string scheduler)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker stopping = await StartAsync(lab, "stopping", scheduler, Forever, patience: Forever);
        HistoryEvent holder = await RunsAsync(stopping, 1, "obedient");
        Worker other = await StartAsync(lab, "other", scheduler, Forever, patience: Forever);
        await QueuesAsync(lab, other, 2);
        stopping.Process.Tell("stop");

        HistoryEvent next = await other.GetsAsync("x");
        Assert.True(next.Token > holder.Token);
        await stopping.Process.SaysAsync("stopped");

        // A Hangfire job is back in its queue, and has not failed: a failed one would not be retried. Either may be the first.
        int[] expected = scheduler == "hangfire" ? [1, 2] : [2];
        other.Process.Tell("end");
        IReadOnlyList<HistoryEvent> granted = await lab.SeesAsync(HistoryEventKind.Granted, other.Name, count: expected.Length);
        Assert.Equal(expected, granted.Select(e => (int)e.Execution).Order());
        AssertNobodyMet(lab);
    }

    private static Task<Worker> StartAsync(Lab lab, string name, string scheduler, TimeSpan expiry, TimeSpan patience) =>
        lab.EmployAsync(name, scheduler, expiry, deferBy: TimeSpan.FromHours(1), patience);

    private static async Task<HistoryEvent> RunsAsync(Worker worker, int number, string manner)
    {
        worker.Process.Tell($"run {number} {manner}");
        return await worker.GetsAsync("x");
    }

    private static async Task QueuesAsync(Lab lab, Worker worker, int number)
    {
        worker.Process.Tell($"run {number} stubborn");
        await worker.Process.SaysAsync("event 1101");
        await lab.IsQueuedAsync("x", 1);
    }

    /// <summary>A job whose host has stopped, and another that waits for the lock.</summary>
    private static async Task<(Worker Stopped, HistoryEvent Holder, Worker Other)> OutliveAsync(Lab lab, string scheduler)
    {
        Worker stopped = await StartAsync(lab, "stopped", scheduler, Lab.Expiry, patience: TimeSpan.FromSeconds(1));
        HistoryEvent holder = await RunsAsync(stopped, 1, "stubborn");
        Worker other = await StartAsync(lab, "other", scheduler, Lab.Expiry, patience: Forever);
        await QueuesAsync(lab, other, 2);
        stopped.Process.Tell("stop");
        await stopped.Process.SaysAsync("stopped");
        return (stopped, holder, other);
    }

    /// <summary>For longer than a lease lasts without renewal.</summary>
    private static async Task KeepsItsLeaseAsync(Lab lab, HistoryEvent holder)
    {
        await Task.Delay(Lab.Expiry * 2.5);
        await lab.SeesAsync(HistoryEventKind.Wrote, holder.Process, since: Lab.Now);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned || (e.What == HistoryEventKind.Granted && e.Process != holder.Process));
    }

    private static async Task EndsAsync(Worker worker, HistoryEvent holder, Worker other)
    {
        worker.Process.Tell("end");
        Assert.True((await other.GetsAsync("x")).Token > holder.Token);
    }

    /// <summary>A worker finds its lease valid until the next one is granted, and no longer.</summary>
    private static void AssertNobodyMet(Lab lab)
    {
        HistoryEvent[] granted = [.. lab.History.Where(e => e.What == HistoryEventKind.Granted)];
        Assert.All(granted.Zip(granted.Skip(1)), pair => Assert.DoesNotContain(
            lab.History, e => e.What == HistoryEventKind.Claimed && e.Token == pair.First.Token && e.At > pair.Second.At));
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Failed or HistoryEventKind.Fenced);
    }
}
