using System.Diagnostics;
using JobLocking.ChaosTests.History;
using JobLocking.ChaosTests.Soak;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Nodes with a Quartz scheduler each, which keep firing the same jobs while Redis fails and returns and nodes are killed and
/// replaced: for as many seconds as <c>JOBLOCKING_SOAK</c> says, or once.
/// </summary>
public sealed class QuartzTests
{
    private const int Nodes = 4;

    private const int Strikes = 3;

    private static readonly TimeSpan Duration = SoakOrder.DurationOr(seconds: 0);

    private readonly Random _random = new(SoakOrder.Seed);
    private int _started;

    [Fact]
    public async Task Every_firing_has_one_end_and_every_occurrence_has_one_run_whatever_breaks()
    {
        long began = Stopwatch.GetTimestamp();
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        foreach (string name in QuartzJobs.All.Keys)
        {
            lab.Uses(name, Lab.Expiry, name == QuartzJobs.Shared ? QuartzJobs.SharedLimit : 1);
        }

        await Task.WhenAll(Enumerable.Range(0, Nodes).Select(_ => StartAsync(lab)));
        Nemesis nemesis = new(lab, _random, async () => (await StartAsync(lab)).Process.Tell("go"));
        do
        {
            foreach (Worker worker in lab.Workers)
            {
                worker.Process.Tell("go");
            }

            await KillRunnerAsync(lab);
            await FreezeRedisAsync(lab);
            for (int strike = 0; strike < Strikes; strike++)
            {
                await nemesis.StrikeAsync();
            }

            await lab.HealedAsync();
            await JudgeAsync(lab);
            await lab.BeginAnewAsync();
        }
        while (Stopwatch.GetElapsedTime(began) < Duration);
    }

    private async Task<Worker> StartAsync(Lab lab) => await lab.WorkAsync($"node-{Interlocked.Increment(ref _started)}", mode: "quartz-chaos");

    private static QuartzEvent[] Told(Lab lab) => [.. lab.Workers.SelectMany(w => w.Process.Facts).Select(QuartzEvent.Parse).OfType<QuartzEvent>().OrderBy(e => e.At)];

    /// <summary>In the middle of the one run of an occurrence.</summary>
    private async Task KillRunnerAsync(Lab lab)
    {
        await Eventually.IsTrueAsync(() => Told(lab).Any(e => e.What == QuartzEventKind.Deferred));
        long since = Lab.Now;
        QuartzEvent run = await Eventually.SeesAsync(
            () => Told(lab).First(e => e is { What: QuartzEventKind.Ran, Job: QuartzJobs.Once } && e.At > since), _ => true, fact: "an occurrence is run");
        await lab.Workers.Single(w => w.Name == run.Process).KillAsync();
        (await StartAsync(lab)).Process.Tell("go");
    }

    /// <summary>Until firings have found the store unavailable.</summary>
    private static async Task FreezeRedisAsync(Lab lab)
    {
        lab.Began(Fault.Frozen);
        lab.Redis.Pause();
        await lab.SeesAsync(HistoryEventKind.Unavailable, since: Lab.Now);
        lab.Redis.Resume();
        lab.Ended(Fault.Frozen);
    }

    private static async Task JudgeAsync(Lab lab)
    {
        (IReadOnlyList<HistoryEvent> history, Terms terms) = await lab.EndAsync();
        QuartzEvent[] told = Told(lab);
        IReadOnlyList<Violation> violations = Checker.Check(history, terms);
        IndexedHistory indexed = new(history, terms);
        IReadOnlyList<QuartzFinding> findings = QuartzJudge.Check(told, indexed);
        if (violations.Count + findings.Count > 0)
        {
            Assert.Fail($"{string.Join(Environment.NewLine, violations.Take(5).Cast<object>().Concat(findings.Take(5)))}\n{violations.Count} and {findings.Count} in all. The history: {await lab.KeepAsync(history)}");
        }

        // Everything that the judge can check has occurred.
        foreach (QuartzEventKind what in new[] { QuartzEventKind.Succeeded, QuartzEventKind.Skipped, QuartzEventKind.Coalesced, QuartzEventKind.Deferred, QuartzEventKind.Retried })
        {
            Assert.Contains(told, e => e.What == what);
        }

        Assert.Contains(history, e => e is { What: HistoryEventKind.FaultBegan, Detail: Fault.Killed });
        Assert.Contains(told, e => e.What == QuartzEventKind.Deferred && e.Detail.Contains("Standing by", StringComparison.Ordinal));
        Assert.Contains(told, e => e.What == QuartzEventKind.Deferred && e.Detail.Contains("unavailable", StringComparison.Ordinal));
        Assert.True(QuartzJudge.Wakes(told) > 0, "No deferral was woken.");
        int[] runs = [.. told.Where(e => e.Job == QuartzJobs.Once && e.Firing != 0).GroupBy(e => e.Scheduled).Select(o => o.Count(e => e.What == QuartzEventKind.Done))];
        int once = runs.Count(r => r == 1);
        Assert.True(once > runs.Length / 2, $"Of {runs.Length} occurrences only {once} had one run.");
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", told.GroupBy(e => e.What).OrderBy(g => g.Key).Select(g => $"{g.Key} {g.Count()}")
            .Append($"wakes {QuartzJudge.Wakes(told)}, occurrences {runs.Length}, of which run once {once}, again because {string.Join(", ", QuartzJudge.Excuses(told, indexed))}")));
    }
}
