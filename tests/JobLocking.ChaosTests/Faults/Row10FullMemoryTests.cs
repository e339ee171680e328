using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>Row 10: at maxmemory with noeviction, held leases are renewed and released, and acquiring fails clearly.</summary>
public sealed class Row10FullMemoryTests
{
    private const string Full = "full";

    [Fact]
    public async Task With_full_memory_leases_live_on_and_are_released_and_nothing_is_acquired_until_there_is_room()
    {
        await using Lab lab = await Lab.StartAsync("--maxmemory", "8mb", "--maxmemory-policy", "noeviction");
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent first = await workers[0].HoldAsync("x");
        await workers[0].HoldAsync("shared", limit: 3);
        await workers[0].HoldAsync("ends-meanwhile");

        lab.Began(Full);
        await FillAsync(lab);
        long full = Lab.Now;
        workers[1].Load("new", how: "try");
        workers[1].Load("x", how: "acquire");
        HistoryEvent refused = (await lab.SeesAsync(HistoryEventKind.Unavailable, workers[1].Name, "new"))[0];
        Assert.Contains("maxmemory", refused.Detail, StringComparison.Ordinal);
        Assert.Contains("Fix: ", refused.Detail, StringComparison.Ordinal);

        // The holders would have lost their leases without renewal. They still hold them, and may release them now.
        await Task.Delay(Lab.Expiry * 2.5);
        workers[0].End("ends-meanwhile");
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name, "ends-meanwhile");
        Assert.Equal(0, (long)await lab.CommandAsync("EXISTS", Lab.KeyOf("ends-meanwhile")));
        Assert.Equal(2, (long)await lab.CommandAsync("EXISTS", Lab.KeyOf("x"), Lab.KeyOf("shared")));
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned);
        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Granted && e.At > full);

        await lab.CommandAsync("DEL", "filler");
        lab.Ended(Full);
        await workers[1].GetsAsync("new");
        workers[0].End("x");
        HistoryEvent next = await workers[1].GetsAsync("x");
        Assert.True(next.Token > first.Token);
        workers[0].End("shared");
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Memory_that_is_full_again_and_again_costs_no_lease()
    {
        await using Lab lab = await Lab.StartAsync("--maxmemory", "8mb", "--maxmemory-policy", "noeviction");
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("shared", limit: 2, how: "wait", work: Lab.Expiry));
        for (int round = 0; round < 3; round++)
        {
            await lab.SeesAsync(HistoryEventKind.Granted, since: Lab.Now);
            lab.Began(Full);
            long before = Lab.Now;
            await FillAsync(lab);
            await lab.SeesAsync(HistoryEventKind.Unavailable, since: before);
            await Task.Delay(Lab.Expiry / 2);
            await lab.CommandAsync("DEL", "filler");
            lab.Ended(Full);
        }

        await lab.HealedAsync();
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();
        Assert.DoesNotContain(history, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned or HistoryEventKind.Fenced);
    }

    /// <summary>
    /// More than there is room for, so that the memory of a closed connection makes no room. Deleting <c>filler</c> does.
    /// </summary>
    private static async Task FillAsync(Lab lab)
    {
        await lab.CommandAsync("CONFIG", "SET", "maxmemory", "64mb");
        await lab.CommandAsync("SET", "filler", new byte[12_000_000]);
        await lab.CommandAsync("CONFIG", "SET", "maxmemory", "8mb");
    }
}
