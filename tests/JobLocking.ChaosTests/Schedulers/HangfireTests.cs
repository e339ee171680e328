using System.Collections.Concurrent;
using System.Diagnostics;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using Hangfire.Storage.Monitoring;
using JobLocking.ChaosTests.History;
using JobLocking.ChaosTests.Soak;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Nodes with a Hangfire server each and one storage, while jobs keep arriving, Redis fails and returns, and nodes are killed and replaced:
/// for as many seconds as <c>JOBLOCKING_SOAK</c> says, or once.
/// </summary>
public sealed class HangfireTests
{
    private const int Nodes = 3;

    private const int Strikes = 2;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(80);

    /// <summary>If a worker is killed just after it has taken a job out of its queue, Hangfire requeues the job after a minute.</summary>
    private static readonly TimeSpan LongestRest = HangfireChaosWorker.Invisibility + TimeSpan.FromMinutes(2);

    private static readonly TimeSpan Duration = SoakOrder.DurationOr(seconds: 0);

    private readonly Random _random = new(SoakOrder.Seed);
    private readonly ConcurrentDictionary<int, (string Id, string Kind)> _enqueued = [];
    private int _started;

    /// <summary>In all rounds, as Hangfire itself adds them up.</summary>
    private long _ended;

    [Fact]
    public async Task Every_enqueued_job_has_one_end_whatever_breaks()
    {
        long began = Stopwatch.GetTimestamp();
        await using Lab lab = await Lab.StartAsync(await RedisServer.StartWithOwnClockAsync());
        foreach (string name in HangfireJobs.Names)
        {
            lab.Uses(name, Lab.Expiry, name == nameof(HangfireJobs.Shared) ? HangfireJobs.SharedLimit : 1);
        }

        JobStorage storage = HangfireChaosWorker.Storage(lab.ResourceConnection);
        await Task.WhenAll(Enumerable.Range(0, Nodes).Select(_ => StartAsync(lab)));
        Worker holder = await lab.WorkAsync("holder", isSpared: true);
        Nemesis nemesis = new(lab, _random, () => StartAsync(lab));
        do
        {
            using CancellationTokenSource enough = new();
            Task work = EnqueueAsync(storage, enough.Token);
            await KillRunnerAsync(lab, storage, holder);
            await FreezeRedisAsync(lab);
            for (int strike = 0; strike < Strikes; strike++)
            {
                await nemesis.StrikeAsync();
            }

            await lab.HealedAsync();
            await enough.CancelAsync();
            await work;
            await JudgeAsync(lab, storage);
            await lab.BeginAnewAsync();
            _enqueued.Clear();
        }
        while (Stopwatch.GetElapsedTime(began) < Duration);
    }

    private Task<Worker> StartAsync(Lab lab) => lab.WorkAsync($"node-{Interlocked.Increment(ref _started)}", mode: "hangfire-chaos");

    private static HangfireEvent[] Told(Lab lab) => [.. lab.Workers.SelectMany(w => w.Process.Facts).Select(HangfireEvent.Parse).OfType<HangfireEvent>().OrderBy(e => e.At)];

    private async Task EnqueueAsync(JobStorage storage, CancellationToken enough)
    {
        BackgroundJobClient client = new(storage);
        for (int number = 1; !enough.IsCancellationRequested; number++)
        {
            string kind = HangfireJobs.Names[number % HangfireJobs.Names.Count];
            Job job = new(typeof(HangfireJobs), typeof(HangfireJobs).GetMethod(kind)!, number, null, CancellationToken.None);
            _enqueued[number] = (client.Create(job, new EnqueuedState()), kind);
            await Task.Delay(Pause, CancellationToken.None);
        }
    }

    /// <summary>
    /// In the middle of a run of a job that is skipped when its lock is taken: it comes back while the lock is taken, and must not be
    /// skipped.
    /// </summary>
    private async Task KillRunnerAsync(Lab lab, JobStorage storage, Worker holder)
    {
        await Eventually.IsTrueAsync(() => Told(lab).Length > 20);
        string id;
        do
        {
            long since = Lab.Now;
            HangfireEvent run = await Eventually.SeesAsync(
                () => Told(lab).First(e => e.What == HangfireEventKind.Ran && e.At > since && _enqueued[e.Number].Kind == nameof(HangfireJobs.Skip)), _ => true, fact: "a job is run");
            await lab.Workers.Single(w => w.Name == run.Process).KillAsync();
            await StartAsync(lab);
            id = _enqueued[run.Number].Id;
        }
        while (StateOf(storage, id) == SucceededState.StateName);

        await holder.HoldAsync(nameof(HangfireJobs.Skip));
        await Eventually.SeesAsync(() => StateOf(storage, id), state => state is "Scheduled" or "Deleted", LongestRest, "the killed job comes back");
        holder.End(nameof(HangfireJobs.Skip));
    }

    /// <summary>Until jobs have found the store unavailable.</summary>
    private static async Task FreezeRedisAsync(Lab lab)
    {
        int before = Unavailable();
        lab.Began(Fault.Frozen);
        lab.Redis.Pause();
        await Eventually.IsTrueAsync(() => Unavailable() > before);
        lab.Redis.Resume();
        lab.Ended(Fault.Frozen);

        int Unavailable() => lab.Workers.Sum(w => w.Process.Count("event 1104"));
    }

    private async Task JudgeAsync(Lab lab, JobStorage storage)
    {
        IMonitoringApi monitoring = storage.GetMonitoringApi();

        // A job that has not ended by then breaks a rule.
        Task ended = Eventually.SeesAsync(() => _enqueued.Values.Count(j => !IsFinal(StateOf(storage, j.Id))), left => left == 0, LongestRest);
        await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        (IReadOnlyList<HistoryEvent> history, Terms terms) = await lab.EndAsync();
        StoredJob[] jobs = [.. _enqueued.OrderBy(j => j.Key).Select(j => new StoredJob(j.Key, j.Value.Kind, StatesOf(monitoring, j.Value.Id), j.Value.Id))];
        HangfireEvent[] told = Told(lab);
        IndexedHistory indexed = new(history, terms);
        IReadOnlyList<Violation> violations = Checker.Check(history, terms);
        IReadOnlyList<HangfireFinding> findings = HangfireJudge.Check(jobs, told, indexed);
        if (violations.Count + findings.Count > 0)
        {
            Assert.Fail($"{string.Join(Environment.NewLine, violations.Take(5).Cast<object>().Concat(findings.Take(5)))}\n{violations.Count} and {findings.Count} in all. The history: {await lab.KeepAsync(history)}");
        }

        _ended += jobs.Length;
        StatisticsDto sums = monitoring.GetStatistics();
        Assert.Equal((0, 0, 0, 0, _ended), (sums.Enqueued, sums.Scheduled, sums.Processing, sums.Failed, sums.Succeeded + sums.Deleted));

        // Everything that the judge can check has occurred.
        Assert.Contains(jobs, j => j.Last!.Name == DeletedState.StateName);
        Assert.Contains(jobs, j => Was(j, "Deferred (") && Was(j, "the store is unavailable"));
        Assert.Contains(jobs, j => Was(j, "Woken: "));
        Assert.Contains(jobs, j => Was(j, "by chance"));
        Assert.Contains(told.GroupBy(e => e.Number), j => j.Any(e => indexed.IsDead(e.Process)) && j.Any(e => e.What == HangfireEventKind.Done && !indexed.IsDead(e.Process)));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{jobs.Length} jobs, succeeded {jobs.Count(j => j.Last!.Name == SucceededState.StateName)}, woken {jobs.Count(j => Was(j, "Woken: "))}, runs {told.Count(e => e.What == HangfireEventKind.Ran)}");
    }

    private static bool Was(StoredJob job, string reason) => job.States.Any(s => s.Reason.Contains(reason, StringComparison.Ordinal));

    private static string? StateOf(JobStorage storage, string id)
    {
        using IStorageConnection connection = storage.GetConnection();
        return connection.GetStateData(id)?.Name;
    }

    private static bool IsFinal(string? state) => state is "Succeeded" or "Deleted" or "Failed" or null;

    private static StoredState[] StatesOf(IMonitoringApi monitoring, string id) =>
        [.. (monitoring.JobDetails(id)?.History ?? []).OrderBy(h => h.CreatedAt).Select(h => new StoredState(h.StateName, h.Reason ?? ""))];
}
