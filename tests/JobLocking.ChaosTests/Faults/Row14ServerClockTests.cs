using JobLocking.ChaosTests.History;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 14: while the server's clock steps by less than the leases have left, no two holders overlap; a larger step forward ends leases
/// before their time. Tokens grow in both cases.
/// </summary>
public sealed class Row14ServerClockTests
{
    private const string Stepped = "clock-stepped";

    /// <summary>Leases have at least two thirds of it left, and steps of a third of it leave at least another third.</summary>
    private static readonly TimeSpan Long = Lab.Expiry * 3;

    [Fact]
    public async Task Clock_steps_smaller_than_the_time_left_cost_no_lease_and_let_no_second_holder_in()
    {
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        Worker[] workers = await lab.WorkAsync(3);
        HistoryEvent holder = await workers[0].HoldAsync("held", Long);
        workers[1].Load("held", Long, how: "try");
        Array.ForEach(workers, w => w.Load("x", Long, parallel: 2));
        workers[2].Load("shared", Long, limit: 2, parallel: 4);
        foreach (int sign in new[] { 1, 0, -1, 0 })
        {
            long before = Lab.Now;
            Step(lab, sign * Long / 3);
            await lab.SeesAsync(HistoryEventKind.Contended, workers[1].Name, "held", since: before);
            await Task.Delay(Long / 2.5);
        }

        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Granted && e.Lock == "held" && e.Process != holder.Process);
        workers[0].End("held");
        Assert.True((await workers[1].GetsAsync("held")).Token > holder.Token);
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name, "held");
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();
        Assert.DoesNotContain(history, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned or HistoryEventKind.Fenced);
        AssertTokensGrow(history, "x");
    }

    [Fact]
    public async Task A_larger_clock_step_forward_ends_a_lease_and_its_holder_is_notified_and_kept_from_the_resource()
    {
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent holder = await workers[0].HoldAsync("x", Long);
        workers[1].Hold("x", Long);
        Step(lab, Long * 2, erases: true);

        HistoryEvent successor = await workers[1].GetsAsync("x");
        Assert.True(successor.Token > holder.Token);
        HistoryEvent told = await lab.LosesAsync(workers[0].Name, "x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);

        // By its renewal, or at the latest by its deadline.
        HistoryEvent step = lab.History.Single(e => e.What == HistoryEventKind.Erased);
        Assert.InRange(told.At - step.At, 0, Terms.Ticks(Long));
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Tokens_grow_through_large_clock_steps_in_both_directions()
    {
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("shared", limit: 2, parallel: 2));

        // Some are longer than the day for which the fence is kept.
        int[] hours = [1, 0, 20, -3, 0, 60, 0, 25];
        foreach (TimeSpan ahead in hours.Select(h => TimeSpan.FromHours(h)))
        {
            await lab.SeesAsync(HistoryEventKind.Granted, @lock: "x", count: 20, since: Lab.Now);
            Step(lab, ahead, erases: true);
        }

        await lab.HealedAsync();
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();
        AssertTokensGrow([.. history.Where(e => e.What != HistoryEventKind.Granted || e.Lock == "x")], "x");
    }

    private static void Step(Lab lab, TimeSpan ahead, bool erases = false)
    {
        lab.Began(Stepped);
        if (erases)
        {
            lab.Erased(perhaps: true);
        }

        lab.Redis.SetClock(ahead);
        lab.Ended(Stepped);
    }

    /// <summary>In the order of the writes to what they protect.</summary>
    private static void AssertTokensGrow(IEnumerable<HistoryEvent> history, string name)
    {
        long[] tokens = [.. history.Where(e => e.What == HistoryEventKind.Wrote && e.Lock == name).Select(e => e.Token)];
        Assert.NotEmpty(tokens);
        Assert.Equal(tokens.Order(), tokens);
    }
}
