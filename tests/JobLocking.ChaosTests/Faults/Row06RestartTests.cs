using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 6: renewal and release work when scripts, connections or the server itself were gone for a moment; a missing key means that the
/// lease is lost, and is never created again.
/// </summary>
public sealed class Row06RestartTests
{
    [Theory]
    [InlineData("SCRIPT", "FLUSH")]
    [InlineData("CLIENT", "KILL", "TYPE", "normal")]
    [InlineData("CLIENT", "KILL", "TYPE", "pubsub")]
    public async Task A_lease_is_renewed_and_released_after_the_fault(string command, params string[] arguments)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        HistoryEvent lease = await worker.HoldAsync("x");
        await DoAsync(lab, command, arguments);
        await IsKeptAsync(lab, lease);
        await DoAsync(lab, command, arguments);
        await ReleasesAsync(lab, worker);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task A_lease_outlives_a_restart_of_a_server_that_persists_its_data()
    {
        await using Lab lab = await Lab.StartAsync("--appendonly", "yes", "--appendfsync", "always");
        Worker worker = await lab.WorkAsync("worker");
        HistoryEvent lease = await worker.HoldAsync("x", TimeSpan.FromSeconds(4));
        lab.Began("restarted");
        await lab.Redis.RestartAsync();
        lab.Ended("restarted");
        await Task.Delay(Lab.Expiry);
        await IsKeptAsync(lab, lease);
        await ReleasesAsync(lab, worker);
        await lab.JudgeAsync();
    }

    [Theory]
    [InlineData("restarted")]
    [InlineData("flushed")]
    public async Task A_lease_whose_key_is_gone_is_lost_and_the_key_is_never_created_again(string fault)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent first = await workers[0].HoldAsync("x", TimeSpan.FromSeconds(4));
        await EraseAsync(lab, fault);
        while (!lab.History.Any(e => e.What == HistoryEventKind.Released))
        {
            Assert.False((bool)await lab.CommandAsync("EXISTS", "task_lock:x"), "The key is there again.");
        }

        Assert.Contains(lab.History, e => e.What == HistoryEventKind.Lost);
        await Task.Delay(Lab.Expiry);
        Assert.False((bool)await lab.CommandAsync("EXISTS", "task_lock:x"), "The key is there again.");
        HistoryEvent next = await workers[1].HoldAsync("x", TimeSpan.FromSeconds(4));
        Assert.True(next.Token > first.Token);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Workers_continue_whatever_the_server_forgets()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("y", how: "wait", limit: 2));
        await lab.SeesAsync(HistoryEventKind.Wrote, count: 10);
        foreach (string fault in new[] { "flushed", "restarted", "SCRIPT FLUSH", "CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub" })
        {
            string[] command = fault.Split(' ');
            await (command.Length == 1 ? EraseAsync(lab, fault) : DoAsync(lab, command[0], command[1..]));
            await lab.SeesAsync(HistoryEventKind.Wrote, since: Lab.Now, count: 10);
        }

        IReadOnlyList<HistoryEvent> healed = await lab.HealedAsync();
        Assert.All(workers, w => Assert.Contains(healed, e => e.What == HistoryEventKind.Granted && e.Process == w.Name));
        await lab.JudgeAsync();
    }

    private static async Task DoAsync(Lab lab, string command, string[] arguments)
    {
        string fault = $"{command}-{string.Join('-', arguments)}";
        lab.Began(fault);
        await lab.CommandAsync(command, [.. arguments]);
        lab.Ended(fault);
    }

    private static async Task EraseAsync(Lab lab, string fault)
    {
        lab.Began(fault);
        lab.Erased();
        await (fault == "restarted" ? lab.Redis.RestartAsync() : lab.CommandAsync("FLUSHALL"));
        lab.Ended(fault);
    }

    private static async Task IsKeptAsync(Lab lab, HistoryEvent lease)
    {
        await Task.Delay(Lab.Expiry * 1.5);
        long now = Lab.Now;
        await lab.SeesAsync(HistoryEventKind.Wrote, lease.Process, since: now);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned);
        Assert.Contains($":{lease.Token}:", (string)(await lab.CommandAsync("GET", "task_lock:x"))!, StringComparison.Ordinal);
    }

    private static async Task ReleasesAsync(Lab lab, Worker worker)
    {
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released);
        await TestKit.Eventually.IsTrueAsync(async () => !(bool)await lab.CommandAsync("EXISTS", "task_lock:x"), Lab.Expiry / 2);
    }
}
