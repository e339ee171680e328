using System.Diagnostics;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>Row 2: when a holder is killed, a waiter of a living process gets the lock within one expiry and one safety poll.</summary>
public sealed class Row02KilledHolderTests
{
    [Fact]
    public async Task A_waiter_of_another_process_soon_gets_the_lock_of_a_killed_holder()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        HistoryEvent killed = await workers[0].HoldAsync("x");
        workers[1].Hold("x");
        workers[2].Hold("x");
        await lab.IsQueuedAsync("x", 2);

        long before = Lab.Now;
        await workers[0].KillAsync();
        HistoryEvent next = (await lab.SeesAsync(HistoryEventKind.Granted, since: before))[0];
        Assert.True(Stopwatch.GetElapsedTime(before, next.At) < Lab.Liveness);
        Assert.True(next.Token > killed.Token);

        // The last waiter in the queue is not forgotten either.
        Worker successor = workers.Single(w => w.Name == next.Process);
        successor.End("x");
        await workers.Skip(1).Single(w => w != successor).GetsAsync("x");
        Array.ForEach(workers[1..], w => w.End("x"));
        await lab.SeesAsync(HistoryEventKind.Released, count: 2);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Workers_that_are_killed_one_after_the_other_leave_the_lock_to_the_living()
    {
        await using Lab lab = await Lab.StartAsync();
        List<Worker> living = [.. await lab.WorkAsync(3)];
        living.ForEach(w => w.Load("x", parallel: 2));
        for (int round = 0; round < 3; round++)
        {
            string holder = (await lab.SeesAsync(HistoryEventKind.Wrote, since: Lab.Now))[0].Process;
            Worker killed = living.Single(w => w.Name == holder);
            living.Remove(killed);
            await killed.KillAsync();
            long dead = Lab.Now;
            await lab.SeesAsync(HistoryEventKind.Wrote, since: dead);
            Worker fresh = await lab.WorkAsync($"fresh-{round}");
            fresh.Load("x", parallel: 2);
            living.Add(fresh);
        }

        await lab.HealedAsync();
        await lab.JudgeAsync();
    }
}
