using System.Diagnostics;
using JobLocking.ChaosTests.History;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 9 through Sentinel: the primary fails over, and the old one comes back. What the promoted replica had received is kept, the rest is
/// told, and the old primary grants nothing after its return.
/// </summary>
public sealed class Row09SentinelTests
{
    private const string Killed = "primary-killed";

    // No silence: the new primary answers while the old one is frozen.
    private const string Frozen = "primary-frozen";

    private const string Demoted = "primary-demoted";

    /// <summary>The bound that the documents state.</summary>
    private static readonly TimeSpan LongestOutage = TimeSpan.FromSeconds(2);

    /// <summary>Longer than any failover here, so that a lease that was replicated can only be lost to a mistake.</summary>
    private static readonly TimeSpan LongExpiry = TimeSpan.FromSeconds(30);

    /// <summary>Sentinel demotes an old primary about ten seconds after the failover.</summary>
    private static readonly TimeSpan LongestReturn = TimeSpan.FromSeconds(100);

    private static readonly string[] Faults =
        LongForm.IsOrdered ? [.. Enumerable.Repeat(new[] { Killed, Frozen, Demoted }, 4).SelectMany(each => each)] : [Killed, Frozen];

    [Fact]
    [Trait(LongForm.Name, LongForm.Value)]
    public async Task A_replicated_lease_is_kept_and_an_old_primary_that_comes_back_grants_nothing()
    {
        SentinelFleet fleet = await SentinelFleet.StartAsync();
        await using Lab lab = await Lab.StartAsync(fleet);
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("shared", limit: 2, parallel: 2, how: "wait"));
        HistoryEvent held = await workers[0].HoldAsync("held", LongExpiry);
        await lab.SeesAsync(HistoryEventKind.Granted, count: 100);

        foreach (string fault in Faults)
        {
            RedisServer old = fleet.Primary;
            long named = await FailOverAsync(lab, fleet, fault, Lab.Server);
            foreach (Worker worker in workers)
            {
                HistoryEvent first = (await lab.SeesAsync(HistoryEventKind.Granted, worker.Name, since: named))[0];
                TimeSpan outage = Stopwatch.GetElapsedTime(named, first.At);
                Assert.True(outage < LongestOutage, $"{worker.Name} was granted nothing for {outage} after the sentinels had named the new primary.");
            }

            // While it comes back, it is a primary that accepts writes.
            await ReturnAsync(old, fault);
            await Eventually.SeesAsync(
                async () => (string)(await fleet.CommandAsync(old, "ROLE"))[0]!, role => role == "slave", LongestReturn);
            if (LongForm.IsOrdered)
            {
                await fleet.IsCompleteAsync();
            }

            await lab.SeesAsync(HistoryEventKind.Granted, since: Lab.Now, count: 100);
        }

        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned && e.Lock == "held");
        Assert.Contains($":{held.Token}:", (string)(await lab.CommandAsync("GET", "task_lock:held"))!, StringComparison.Ordinal);
        workers[0].End("held");
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name, "held");
        Assert.False((bool)await lab.CommandAsync("EXISTS", "task_lock:held"));
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();
        (_, Terms terms) = await lab.EndAsync();
        await LongForm.ReportAsync($"Sentinel: {string.Join(", ", Faults)}\n{Summary.Of(history, terms)}\n");
    }

    [Fact]
    public async Task A_primary_that_is_cut_off_but_reachable_grants_nothing_if_it_requires_a_replica()
    {
        SentinelFleet fleet = await SentinelFleet.StartAsync(hasUsers: true, arguments: ["--min-replicas-to-write", "1"]);
        await using Lab lab = await Lab.StartAsync(fleet);
        Worker[] workers = await lab.WorkAsync(2);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        await lab.SeesAsync(HistoryEventKind.Granted, count: 50);
        RedisServer old = fleet.Primary;

        // What it acknowledged before its links closed may not have reached a replica. What it would grant afterwards is judged.
        lab.Began("links-closed");
        lab.Erased(perhaps: true);
        await fleet.CommandAsync(old, "CONFIG", "SET", "min-replicas-max-lag", "1");
        await fleet.CutOffAsync(old);
        string last = await LastTokenAsync();
        lab.Ended("links-closed");
        lab.Began("cut-off");
        await fleet.NamesAnotherAsync(old);
        await lab.SeesAsync(HistoryEventKind.Granted, since: Lab.Now, count: 50);
        Assert.Equal("master", (string)(await fleet.CommandAsync(old, "ROLE"))[0]!);
        Assert.Equal(last, await LastTokenAsync());
        await fleet.JoinAsync(old);
        lab.Ended("cut-off");

        await lab.SeesAsync(HistoryEventKind.Granted, since: Lab.Now, count: 50);
        await lab.JudgeAsync();

        async Task<string> LastTokenAsync() => (string)(await fleet.CommandAsync(old, "GET", "{task_lock:x}:fence"))!;
    }

    /// <returns>When a sentinel had named the new primary.</returns>
    private static async Task<long> FailOverAsync(Lab lab, SentinelFleet fleet, string fault, string target)
    {
        RedisServer old = fleet.Primary;
        lab.Began(fault, target);
        lab.Erased(perhaps: true);
        if (fault == Killed)
        {
            await old.KillAsync();
        }
        else if (fault == Frozen)
        {
            old.Pause();
        }
        else
        {
            await fleet.FailOverAsync();
        }

        await fleet.NamesAnotherAsync(old);
        long named = Lab.Now;
        lab.Ended(fault, target);
        return named;
    }

    private static async Task ReturnAsync(RedisServer old, string fault)
    {
        if (fault == Killed)
        {
            await old.RestartAsync();
        }
        else if (fault == Frozen)
        {
            old.Resume();
        }
    }
}
