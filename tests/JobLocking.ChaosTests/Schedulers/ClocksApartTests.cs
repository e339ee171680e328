using System.Globalization;
using System.Text;
using JobLocking.ChaosTests.History;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Three processes that share nothing but Redis, with clocks 45 seconds apart, and jobs that fire once a second. The first process is
/// ahead and fires everything first, until it is killed in the middle of its runs, and leaves leases of 60 seconds behind. The second
/// joins late, takes over, and sleeps over some occurrences. The third is behind: it finds marks, and whatever the others left. In the
/// long form a process joins later in place of the killed one.
/// </summary>
/// <remarks>
/// The one that sleeps has the machine's clock, since Quartz moves a misfired trigger to the time of the machine, not of the scheduler.
/// The clocks are not whole seconds apart, so that no two processes fire at the same moment: an occurrence that meets another run of its
/// job is skipped.
/// </remarks>
public sealed class ClocksApartTests
{
    private static readonly TimeSpan Apart = TimeSpan.FromMilliseconds(45_333);

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static readonly int Occurrences = LongForm.IsOrdered ? 200 : 30;

    private static readonly int Killed = LongForm.IsOrdered ? 20 : 10;

    /// <summary>Generous on purpose: the whole schedule and the time in which the third process comes to its end.</summary>
    private static readonly TimeSpan Patience = (Occurrences * Second) + (4 * Apart);

    [Fact]
    [Trait(LongForm.Name, LongForm.Value)]
    public async Task Each_occurrence_is_run_once_while_processes_join_late_are_killed_and_sleep()
    {
        await using Lab lab = await Lab.StartAsync();
        Scenario scenario = new(lab);
        Worker ahead = await scenario.StartAsync("ahead", Apart);
        DateTimeOffset first = (await scenario.FiresAsync("ahead", DateTimeOffset.MinValue)).Scheduled + (3 * Second);
        DateTimeOffset[] window = [.. Enumerable.Range(0, Occurrences).Select(i => first + (i * Second))];
        DateTimeOffset[] few = window[..30];
        scenario.Each = [(OccurrenceJobs.EachBrief, window), (OccurrenceJobs.EachLonger, few)];
        scenario.ScheduleEach(ahead);
        await scenario.StartAsync("behind", -Apart);

        await scenario.FiresAsync("ahead", window[Killed]);
        await scenario.KillInAllRunsAsync(ahead);

        // Its first occurrence is the sixth.
        await scenario.FiresAsync("behind", window[5] - Apart);
        Worker late = await scenario.StartAsync("late", TimeSpan.Zero);
        await scenario.FiresAsync("late", window[LongForm.IsOrdered ? 45 : 26]);
        await scenario.SleepAsync(late, over: LongForm.IsOrdered ? 15 : 3);
        if (LongForm.IsOrdered)
        {
            await scenario.FiresAsync("behind", window[20]);
            await scenario.StartAsync("next", Apart);
        }

        // Until what was fired of the window has been run.
        await scenario.FiresAsync("behind", window[^1] + (4 * Second));
        await scenario.JudgeAsync(window, few);
    }

    private sealed class Scenario(Lab lab)
    {
        /// <summary>All but the one that runs in every process.</summary>
        private static readonly string[] Once =
        [
            OccurrenceJobs.Brief, OccurrenceJobs.Short, OccurrenceJobs.Longer, OccurrenceJobs.EachBrief, OccurrenceJobs.EachLonger,
        ];

        private readonly QuartzJournal _journal = new(lab);

        /// <summary>The jobs of which no occurrence may be skipped, and theirs.</summary>
        public IReadOnlyList<(string Job, DateTimeOffset[] Window)> Each { get; set; } = [];

        public async Task<Worker> StartAsync(string name, TimeSpan ahead)
        {
            string milliseconds = ahead.TotalMilliseconds.ToString(CultureInfo.InvariantCulture);
            Worker worker = await lab.WorkAsync(name, mode: "occurrences", more: milliseconds);
            ScheduleEach(worker);
            return worker;
        }

        public void ScheduleEach(Worker worker)
        {
            foreach ((string job, DateTimeOffset[] window) in Each)
            {
                worker.Process.Tell($"each {job} {window[0]:O} {window[^1]:O}");
            }
        }

        /// <summary>Waits until a process has fired an occurrence, or a later one.</summary>
        public Task<QuartzEvent> FiresAsync(string process, DateTimeOffset time) => _journal.SeesAsync(
            e => IsFiring(e, process) && e.Scheduled >= time, $"{process} fires {time:O}", Patience);

        /// <summary>Kills a process in the middle of a run of each job.</summary>
        public async Task KillInAllRunsAsync(Worker worker)
        {
            worker.Process.Tell("hold");
            foreach (string job in Once)
            {
                await _journal.SeesAsync(
                    e => e is { What: QuartzEventKind.Ran, Detail: "held" } && e.Process == worker.Name && e.Job == job,
                    $"{worker.Name} runs {job}",
                    Patience);
            }

            await worker.KillAsync();
        }

        /// <summary>
        /// Stops a process for some fire times, in the middle of a run of a job that takes longer than one, so that it is certain what it
        /// holds meanwhile: it has 60 seconds.
        /// </summary>
        public async Task SleepAsync(Worker worker, int over)
        {
            await Eventually.IsTrueAsync(() => IsAmidLonger(worker.Name), Patience);
            worker.Freeze();
            QuartzEvent before = _journal.Read().Last(e => IsFiring(e, "behind"));
            await FiresAsync("behind", before.Scheduled + ((over + 1) * Second));
            worker.Thaw();
        }

        public async Task JudgeAsync(DateTimeOffset[] window, DateTimeOffset[] few)
        {
            // Deferrals are run one after the other, and what stands by is told when the run is over.
            HashSet<string> living = [.. lab.Workers.Where(w => !w.Process.WasKilled).Select(w => w.Name)];
            foreach ((string job, _) in Each)
            {
                await Eventually.IsTrueAsync(
                    () => HasEnded([.. _journal.Read().Where(e => e.Job == job && living.Contains(e.Process))]), Patience, $"{job} has ended");
            }

            IndexedHistory history = new(lab.History, new Terms(new Dictionary<string, LockTerms>(), Lab.Liveness));
            QuartzChain[] chains = Chains(_journal.Read());
            OccurrenceRuns Of(string job, DateTimeOffset[] times) => new(job, chains, times, history);
            OccurrenceRuns[] exactly =
            [
                Of(OccurrenceJobs.Brief, window), Of(OccurrenceJobs.Short, window),
                Of(OccurrenceJobs.EachBrief, window), Of(OccurrenceJobs.EachLonger, few),
            ];
            OccurrenceRuns longer = Of(OccurrenceJobs.Longer, window);
            OccurrenceRuns everywhere = Of(OccurrenceJobs.EveryProcess, window);
            OccurrenceRuns[] all = [.. exactly, longer, everywhere];
            string figures = string.Join('\n', [OccurrenceRuns.Heading, .. all.Select(runs => runs.Summary()), ""]);
            TestContext.Current.TestOutputHelper?.WriteLine(figures);
            await LongForm.ReportAsync(figures);

            QuartzFinding[] findings =
                [.. exactly.SelectMany(runs => runs.FinishedOnce()), .. longer.FinishedAtMostOnce(), .. longer.StoodStill()];
            if (findings.Length > 0)
            {
                string file = await KeepAsync(all);
                Assert.Fail($"{string.Join('\n', findings.Take(10))}\n{findings.Length} in all.\n{figures}\nAll that was told: {file}");
            }

            // The judge sees doubles where there are any, and the scenario is what it says.
            Assert.NotEmpty(everywhere.FinishedAtMostOnce());
            Assert.All(Once, job => Assert.Contains(
                chains, c => c.Job == job && c.Process == "ahead" && c.Firings.Any(f => f.Ran is not null && f.Done is null)));
            Assert.All(window[Killed..(Killed + 5)], time => Assert.True(
                FiredAt("behind", time) - FiredAt("late", time) > Terms.Ticks(Apart / 2), $"The clocks are not {Apart} apart."));
        }

        private static bool IsFiring(QuartzEvent e, string process) =>
            e is { What: QuartzEventKind.Fired, Job: OccurrenceJobs.Brief } && e.Process == process;

        /// <summary>No firing is left, and no deferral. One that makes up for missed ones ends as another occurrence than it began.</summary>
        private static bool HasEnded(QuartzEvent[] events) =>
            events.GroupBy(e => (e.Process, e.Firing)).All(firing => new QuartzFiring(firing).End is not null)
            && events.GroupBy(e => (e.Process, e.Scheduled)).All(chain => chain.MaxBy(e => e.At)!.What != QuartzEventKind.Deferred);

        private static QuartzChain[] Chains(IEnumerable<QuartzEvent> events) => QuartzJudge.ChainsOf([.. events.OrderBy(e => e.At)]);

        /// <summary>Whether the longer job has just begun, and no shorter one runs.</summary>
        private bool IsAmidLonger(string process)
        {
            QuartzEvent[] running =
            [
                .. _journal.Read().Where(e => e.Process == process && e.What is QuartzEventKind.Ran or QuartzEventKind.Done)
                    .GroupBy(e => e.Job).Select(job => job.Last())
                    .Where(last => last.What == QuartzEventKind.Ran && last.Job != OccurrenceJobs.EachLonger),
            ];
            return running is [{ Job: OccurrenceJobs.Longer } longer] && Lab.Now - longer.At < Terms.Ticks(Second / 2);
        }

        private long FiredAt(string process, DateTimeOffset time) =>
            _journal.Read().First(e => IsFiring(e, process) && e.Scheduled == time).At;

        private async Task<string> KeepAsync(IEnumerable<OccurrenceRuns> runs)
        {
            string file = await lab.KeepAsync(lab.History);
            StringBuilder tables = new();
            tables.AppendJoin('\n', runs);
            await File.WriteAllTextAsync($"{file}.occurrences", tables.ToString());
            return file;
        }
    }
}
