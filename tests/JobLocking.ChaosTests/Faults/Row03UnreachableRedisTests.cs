using System.Diagnostics;
using JobLocking.ChaosTests.Network;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 3: with Redis frozen or unreachable a lease is lost no later than the local deadline, new executions learn that it is unavailable,
/// and service resumes without a restart of the worker.
/// </summary>
public sealed class Row03UnreachableRedisTests
{
    /// <summary>
    /// Long enough that its drift (the time from the deadline to the expiry) is longer than the timers of a busy machine are late.
    /// </summary>
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(8);

    private static readonly string[] InTurn = ["black-hole", "no-replies", "half-open"];

    [Theory]
    [InlineData("frozen")]
    [InlineData("black-hole")]
    [InlineData("no-replies")]
    [InlineData("refused")]
    [InlineData("half-open")]
    public async Task A_holder_is_notified_before_its_lease_can_end_and_service_resumes_afterwards(string fault)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        HistoryEvent lease = await worker.HoldAsync("x", Expiry);

        // A renewal in flight might reach the server without an answer. Then the earlier deadline applies, and the test must not excuse a
        // later one.
        TimeSpan left = TimeSpan.FromMilliseconds((long)await lab.CommandAsync("PTTL", "task_lock:x"));
        long end = Lab.Now + (long)(left.TotalSeconds * Stopwatch.Frequency);
        Begin(lab, worker, fault);

        worker.Hold("y");
        await lab.SeesAsync(HistoryEventKind.Unavailable, @lock: "y");
        HistoryEvent lost = (await lab.SeesAsync(HistoryEventKind.Lost, @lock: "x"))[0];
        Assert.True(lost.At <= end, $"Lost {Stopwatch.GetElapsedTime(end, lost.At)} after its lease had ended.");
        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Claimed && e.Lock == "x" && e.At > end);

        Mend(lab, worker, fault);
        HistoryEvent next = await HoldsAgainAsync(lab, worker);
        Assert.True(next.Token > lease.Token);
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released, @lock: "x", since: next.At);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Workers_that_lose_Redis_in_turn_and_together_never_overlap_and_all_recover()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("y", how: "wait"));
        await lab.SeesAsync(HistoryEventKind.Wrote, count: 10);
        foreach ((string fault, Worker worker) in InTurn.Zip(workers))
        {
            // Only an execution that holds for longer than its lease lasts could overlap with another.
            Worker other = workers.First(w => w != worker);
            await worker.HoldAsync(fault);
            other.Hold(fault);
            await lab.IsQueuedAsync(fault, 1);
            Begin(lab, worker, fault);
            await lab.SeesAsync(HistoryEventKind.Wrote, other.Name, fault, count: 10);
            long mended = Stopwatch.GetTimestamp();
            Mend(lab, worker, fault);
            other.End(fault);

            // The next fault requests a lock from it once, which fails while it does not know yet that the fault is over.
            await lab.SeesAsync(HistoryEventKind.Wrote, worker.Name, since: mended);
        }

        Begin(lab, workers[0], "frozen");
        await Task.Delay(Lab.Expiry * 1.2);
        Mend(lab, workers[0], "frozen");
        IReadOnlyList<HistoryEvent> healed = await lab.HealedAsync();
        Assert.All(workers, w => Assert.Contains(healed, e => e.What == HistoryEventKind.Granted && e.Process == w.Name));
        await lab.JudgeAsync();
    }

    /// <summary>Connecting again may take a moment: the first request may fail.</summary>
    private static async Task<HistoryEvent> HoldsAgainAsync(Lab lab, Worker worker)
    {
        long mended = Lab.Now;
        while (true)
        {
            long asked = Lab.Now;
            worker.Hold("x", Expiry);
            HistoryEvent told = await TestKit.Eventually.SeesAsync(
                () => lab.History.FirstOrDefault(e => e.What is HistoryEventKind.Granted or HistoryEventKind.Unavailable && e.Lock == "x" && e.At > asked)!,
                e => e is not null,
                TimeSpan.FromSeconds(60));
            if (told.What == HistoryEventKind.Granted)
            {
                return told;
            }

            Assert.True(Stopwatch.GetElapsedTime(mended, told.At) < Lab.Liveness, told.Detail);
        }
    }

    private static void Begin(Lab lab, Worker worker, string fault)
    {
        if (fault == "frozen")
        {
            lab.Began(fault);
            lab.Redis.Pause();
            return;
        }

        worker.Cut(fault, proxy => Break(proxy, fault));
    }

    private static void Break(FaultProxy proxy, string fault)
    {
        switch (fault)
        {
            case "black-hole":
                proxy.DropRequests = true;
                proxy.DropReplies = true;
                break;
            case "no-replies":
                proxy.DropReplies = true;
                break;
            case "refused":
                proxy.Refuse = true;
                proxy.CutAll();
                break;
            default:
                proxy.Refuse = true;
                proxy.CutServerSide();
                break;
        }
    }

    private static void Mend(Lab lab, Worker worker, string fault)
    {
        if (fault == "frozen")
        {
            lab.Redis.Resume();
            lab.Ended(fault);
            return;
        }

        worker.Mend(fault);
    }
}
