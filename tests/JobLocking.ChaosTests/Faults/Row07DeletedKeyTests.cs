using System.Diagnostics;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 7: if a key was deleted by hand and another execution has acquired the lock, the first holder learns of it within one renewal
/// interval, and its release is a no-op.
/// </summary>
public sealed class Row07DeletedKeyTests
{
    /// <summary>
    /// The renewal interval is a third of it, and at least two thirds are left until the deadline: half of it lies between the two.
    /// </summary>
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(6);

    [Fact]
    public async Task The_holder_of_a_deleted_key_learns_of_the_loss_at_its_next_renewal_and_leaves_its_successor_alone()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent first = await workers[0].HoldAsync("x", Expiry);
        long deleted = await DeleteAsync(lab);
        HistoryEvent successor = await workers[1].HoldAsync("x", Expiry);
        Assert.True(successor.Token > first.Token);
        await IsToldAsync(lab, workers[0], deleted);
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);

        Assert.Contains($":{successor.Token}:", (string)(await lab.CommandAsync("GET", "task_lock:x"))!, StringComparison.Ordinal);
        await Task.Delay(Expiry / 2);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned && e.Process == workers[1].Name);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task A_foreign_client_that_has_taken_the_lock_keeps_it()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        await worker.HoldAsync("x", Expiry);
        long deleted = await DeleteAsync(lab);
        Assert.Equal("OK", (string?)await lab.CommandAsync("SET", "task_lock:x", "1", "NX", "EX", "60"));
        await IsToldAsync(lab, worker, deleted);
        await lab.SeesAsync(HistoryEventKind.Released, worker.Name);

        Assert.Equal("1", (string?)await lab.CommandAsync("GET", "task_lock:x"));
        Assert.True((long)await lab.CommandAsync("PTTL", "task_lock:x") > (long)Expiry.TotalMilliseconds * 2);
        await lab.CommandAsync("DEL", "task_lock:x");
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Deletions_under_load_cause_no_overlap_except_with_a_holder_whose_key_was_deleted()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2, work: TimeSpan.FromMilliseconds(200)));
        Array.ForEach(workers, w => w.Load("y"));
        for (int round = 0; round < 5; round++)
        {
            await lab.SeesAsync(HistoryEventKind.Wrote, @lock: "x", since: Lab.Now);
            await DeleteAsync(lab);
            await lab.SeesAsync(HistoryEventKind.Granted, @lock: "x", since: Lab.Now, count: 2);
        }

        await lab.HealedAsync();
        await lab.JudgeAsync();
    }

    private static async Task<long> DeleteAsync(Lab lab)
    {
        lab.Began("deleted", @lock: "x");
        lab.Erased("x");
        await lab.CommandAsync("DEL", "task_lock:x");
        lab.Ended("deleted", @lock: "x");
        return Lab.Now;
    }

    private static async Task IsToldAsync(Lab lab, Worker worker, long deleted)
    {
        HistoryEvent lost = (await lab.SeesAsync(HistoryEventKind.Lost, worker.Name))[0];
        Assert.True(Stopwatch.GetElapsedTime(deleted, lost.At) < Expiry / 2, $"Told only {Stopwatch.GetElapsedTime(deleted, lost.At)} later.");
    }
}
