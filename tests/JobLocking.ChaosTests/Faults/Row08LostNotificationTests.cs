using System.Diagnostics;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 8: once the lock is free, a waiter proceeds within one safety poll, even if the wake-up of a release, or the process that it
/// was sent to, is lost.
/// </summary>
public sealed class Row08LostNotificationTests
{
    [Theory]
    [InlineData("frozen")]
    [InlineData("killed")]
    public async Task The_waiter_behind_one_that_no_longer_runs_proceeds(string fault)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        await QueueAsync(lab, workers);
        if (fault == "frozen")
        {
            workers[1].Freeze();
        }
        else
        {
            await workers[1].KillAsync();
        }

        await ProceedsAsync(lab, workers[0], workers[2]);
        if (fault == "frozen")
        {
            workers[1].Thaw();
            await ProceedsAsync(lab, workers[2], workers[1]);
            await EndsAsync(lab, workers[1]);
        }
        else
        {
            await EndsAsync(lab, workers[2]);
        }

        await lab.JudgeAsync();
    }

    [Fact]
    public async Task A_waiter_whose_subscription_is_killed_as_the_holder_releases_proceeds()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        await QueueAsync(lab, workers);
        lab.Began("unsubscribed");
        long killed = (long)await lab.CommandAsync("CLIENT", "KILL", "TYPE", "pubsub");
        Assert.True(killed >= 3, $"Only {killed} subscriptions were there.");
        Worker next = await ProceedsAsync(lab, workers[0], workers[1], workers[2]);
        lab.Ended("unsubscribed");
        Worker last = workers[1..].Single(w => w != next);
        await ProceedsAsync(lab, next, last);
        await EndsAsync(lab, last);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task A_waiter_that_is_notified_without_receiving_it_proceeds()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        await QueueAsync(lab, workers);
        workers[1].Cut("deaf", proxy => proxy.DropReplies = true);
        workers[0].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);
        await TestKit.Eventually.IsTrueAsync(() => workers[1].Link.Swallowed > 0);
        workers[1].Mend("deaf");
        long mended = Lab.Now;
        await GetsSoonAsync(workers[1], mended);
        await EndsAsync(lab, workers[1]);
        await lab.JudgeAsync();
    }

    /// <summary>A wake-up that is lost without a trace: the process is connected all the time, and never receives it.</summary>
    [Fact]
    public async Task A_waiter_that_is_never_notified_proceeds()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker deaf = await WithRightsAsync(lab, "resetchannels");
        Worker holder = await lab.WorkAsync("holder");
        await QueueAsync(lab, [holder, deaf]);
        await ProceedsAsync(lab, holder, deaf);
        await EndsAsync(lab, deaf);
        await lab.JudgeAsync();
    }

    /// <summary>The connection is back at once, but its subscription is refused, and the client does not try again.</summary>
    [Fact]
    public async Task A_process_that_has_lost_its_subscription_without_knowing_it_is_notified_again()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker deaf = await WithRightsAsync(lab, "allchannels");
        Worker holder = await lab.WorkAsync("holder");
        Worker next = await lab.WorkAsync("next");
        lab.Began("unsubscribed");
        await lab.CommandAsync("ACL", "SETUSER", "deaf", "resetchannels");
        await TestKit.Eventually.IsTrueAsync(async () => ((RedisResult[])(await lab.CommandAsync("ACL", "LOG"))!)
            .Any(refused => ((RedisResult[])refused!).Any(about => about.ToString().Contains("process:", StringComparison.Ordinal))));
        Assert.Equal(2, await ListenersAsync(lab));
        await QueueAsync(lab, [holder, deaf, next]);
        await ProceedsAsync(lab, holder, next);

        await lab.CommandAsync("ACL", "SETUSER", "deaf", "allchannels");
        lab.Ended("unsubscribed");
        await TestKit.Eventually.IsTrueAsync(async () => await ListenersAsync(lab) == 3);
        await ProceedsAsync(lab, next, deaf);
        await EndsAsync(lab, deaf);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Under_load_no_waiter_whose_notifications_are_lost_is_forgotten()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        // Longer than any delay in this test: no lease ends by itself, so none wakes a waiter.
        Array.ForEach(workers, w => w.Load("x", Lab.Expiry * 3, parallel: 2));
        for (int round = 0; round < 6; round++)
        {
            await lab.SeesAsync(HistoryEventKind.Wrote, since: Lab.Now);
            lab.Began("unsubscribed");
            await lab.CommandAsync("CLIENT", "KILL", "TYPE", "pubsub");
            lab.Ended("unsubscribed");
        }

        Array.ForEach(workers, w => w.Freeze());
        Array.ForEach(workers, w => w.Thaw());
        IReadOnlyList<HistoryEvent> healed = await lab.HealedAsync();
        Assert.All(workers, w => Assert.Contains(healed, e => e.What == HistoryEventKind.Granted && e.Process == w.Name));
        await lab.JudgeAsync();
    }

    private static async Task<Worker> WithRightsAsync(Lab lab, string channels)
    {
        await lab.CommandAsync("ACL", "SETUSER", "deaf", "on", ">secret", "~*", channels, "+@all");
        return await lab.WorkAsync("deaf", "user=deaf,password=secret");
    }

    private static async Task<int> ListenersAsync(Lab lab) => ((RedisResult[])(await lab.CommandAsync("PUBSUB", "CHANNELS", "task_lock:process:*"))!).Length;

    /// <summary>The first holds, the others wait in their order.</summary>
    private static async Task QueueAsync(Lab lab, Worker[] workers)
    {
        await workers[0].HoldAsync("x");
        for (int i = 1; i < workers.Length; i++)
        {
            workers[i].Hold("x");
            await lab.IsQueuedAsync("x", i);
        }
    }

    private static async Task<Worker> ProceedsAsync(Lab lab, Worker holder, params Worker[] waiters)
    {
        long ended = Lab.Now;
        holder.End("x");
        long released = (await lab.SeesAsync(HistoryEventKind.Released, holder.Name))[0].At;
        HistoryEvent next = (await lab.SeesAsync(HistoryEventKind.Granted, since: ended))[0];
        Assert.Contains(next.Process, waiters.Select(w => w.Name));
        Assert.True(Stopwatch.GetElapsedTime(released, next.At) < Lab.Liveness);
        return waiters.Single(w => w.Name == next.Process);
    }

    private static async Task GetsSoonAsync(Worker worker, long since) =>
        Assert.True(Stopwatch.GetElapsedTime(since, (await worker.GetsAsync("x")).At) < Lab.Liveness);

    private static async Task EndsAsync(Lab lab, Worker worker)
    {
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released, worker.Name);
    }
}
