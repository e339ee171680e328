using System.Diagnostics;
using JobLocking.ChaosTests.History;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Soak;

/// <summary>
/// All kinds of load under all kinds of faults, drawn from a seed, for as many seconds as <c>JOBLOCKING_SOAK</c> says, or for a few faults.
/// The table of the events is written to the file that <c>JOBLOCKING_SOAK_TABLE</c> names.
/// </summary>
public sealed class SoakTests
{
    private const int StrikesAStory = 3;

    private static readonly TimeSpan Duration = SoakOrder.DurationOr(seconds: 20);

    private readonly Random _random = new(SoakOrder.Seed);
    private int _started;

    [Fact]
    public async Task Nothing_is_lost_and_nothing_runs_twice_under_any_fault()
    {
        long began = Stopwatch.GetTimestamp();
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        Worker[] spared = [await StartAsync(lab, isSpared: true), await StartAsync(lab, isSpared: true)];
        await StartAsync(lab);
        await StartAsync(lab);
        Nemesis nemesis = new(lab, _random, () => StartAsync(lab));
        SoakTable table = new(SoakOrder.Seed);
        List<Violation> violations = [];
        List<string> histories = [];
        using CancellationTokenSource ends = new();
        Task starvation = lab.WitnessStarvationAsync(ends.Token);
        do
        {
            foreach (Worker worker in lab.Workers)
            {
                Load(worker);
            }

            for (int strike = 0; strike < StrikesAStory; strike++)
            {
                await nemesis.StrikeAsync();
                await lab.HealedAsync();
            }

            (IReadOnlyList<HistoryEvent> history, Terms terms) = await lab.EndAsync();
            IReadOnlyList<Violation> found = Checker.Check(history, terms);
            table.Add(Summary.Of(history, terms), found.Count);
            if (found.Count > 0)
            {
                violations.AddRange(found);
                histories.Add(await lab.KeepAsync(history));
            }

            await lab.BeginAnewAsync();
            foreach (Worker worker in spared)
            {
                table.Add(worker.Name, await worker.UsageAsync());
            }
        }
        while (Stopwatch.GetElapsedTime(began) < Duration);

        await ends.CancelAsync();
        await starvation;
        table.Lasted(Stopwatch.GetElapsedTime(began));
        if (Environment.GetEnvironmentVariable("JOBLOCKING_SOAK_TABLE") is { } file)
        {
            await File.WriteAllTextAsync(file, table.ToString());
        }

        Assert.True(violations.Count == 0, $"{string.Join(Environment.NewLine, violations.Take(10))}\nThe histories: {string.Join(", ", histories)}\n{table}");
    }

    private static void Load(Worker worker)
    {
        worker.Load("asked-until-granted", how: "acquire");
        worker.Load("tried", how: "try");
        worker.Load("waited-for", how: "wait");
        worker.Load("given-up", how: "cancel");
        worker.Load("shared", how: "acquire", parallel: 2, limit: 3);
    }

    /// <summary>A worker that is started during a history requests locks like the others.</summary>
    private async Task<Worker> StartAsync(Lab lab, bool isSpared = false)
    {
        bool isLate = lab.Workers.Any(w => w.Process.WasKilled);
        Worker worker = await lab.WorkAsync($"worker-{Interlocked.Increment(ref _started)}", isSpared: isSpared);
        if (isLate)
        {
            Load(worker);
        }

        return worker;
    }
}
