using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 5: if the reply to an acquire that was applied is lost, the same call succeeds on its retry, or its orphan ends within one expiry.
/// </summary>
public sealed class Row05LostReplyTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_acquire_whose_reply_was_lost_or_cut_in_the_middle_recognises_its_own_lease(bool cut)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        await KnowsTheWayAsync(lab, worker);
        worker.Cut("lost-reply", proxy => proxy.HoldReplies());
        worker.Hold("x");
        string granted = await HolderAsync(lab);
        await LoseHeldAsync(worker, cut);
        worker.Mend("lost-reply");
        HistoryEvent lease = await worker.GetsAsync("x");

        // It is the lease that the server granted to the unanswered request, with the same token.
        Assert.Contains($":{lease.Token}:", granted, StringComparison.Ordinal);
        Assert.Single(lab.History, e => e.What == HistoryEventKind.Asked && e.Lock == "x");
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released, @lock: "x");
        Assert.False((bool)await lab.CommandAsync("EXISTS", "task_lock:x"));
        await lab.JudgeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_lease_granted_to_a_caller_that_gave_up_ends_within_one_expiry(bool cannotTakeItBack)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        await KnowsTheWayAsync(lab, workers[0]);
        workers[0].Cut("unanswered", proxy => proxy.DropReplies = true);
        workers[0].Hold("x");
        await HolderAsync(lab);
        if (cannotTakeItBack)
        {
            workers[0].Link.DropRequests = true;
        }

        await lab.SeesAsync(HistoryEventKind.Unavailable, workers[0].Name, "x");
        Assert.True((long)await lab.CommandAsync("PTTL", "task_lock:x") <= (long)Lab.Expiry.TotalMilliseconds);
        await Eventually.SeesAsync(() => lab.CommandAsync("EXISTS", "task_lock:x"), exists => !(bool)exists, Lab.Liveness);
        await workers[1].HoldAsync("x");
        workers[0].Mend("unanswered");

        // A release that was meant for the orphan does not harm its successor.
        await Task.Delay(Lab.Expiry);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name, "x");
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Replies_that_are_lost_again_and_again_leave_no_lock_behind()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("y", how: "try"));
        await lab.SeesAsync(HistoryEventKind.Wrote, count: 10);
        for (int round = 0; round < 6; round++)
        {
            Worker worker = workers[round % 3];
            worker.Cut("lost-reply", proxy => proxy.HoldReplies());
            await Eventually.IsTrueAsync(() => worker.Link.HeldBytes > 0);
            await LoseHeldAsync(worker, cut: round % 2 == 1);
            worker.Mend("lost-reply");
            await lab.SeesAsync(HistoryEventKind.Wrote, worker.Name, since: Lab.Now);
        }

        await lab.HealedAsync();
        await lab.JudgeAsync();
    }

    private static async Task LoseHeldAsync(Worker worker, bool cut)
    {
        if (cut)
        {
            Task made = worker.Link.CutInReply();
            worker.Link.ReleaseReplies();
            await made;
        }
        else
        {
            worker.Link.DropHeld();
        }
    }

    /// <summary>The worker is connected and its scripts are loaded: the next reply to be lost is that of the acquire.</summary>
    private static async Task KnowsTheWayAsync(Lab lab, Worker worker)
    {
        await worker.HoldAsync("other");
        worker.End("other");
        await lab.SeesAsync(HistoryEventKind.Released, worker.Name);
    }

    /// <summary>Waits until the server has granted the lock, and returns its holder.</summary>
    private static async Task<string> HolderAsync(Lab lab) =>
        (await Eventually.SeesAsync<string?>(async () => (string?)await lab.CommandAsync("GET", "task_lock:x"), holder => holder is not null))!;
}
