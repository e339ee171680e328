using Xunit;
using static JobLocking.TestWorker.Chaos.QuartzEventKind;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// What the runs of a job that fires each second may be, and what they must not. The process <c>b</c> fires 10 seconds after <c>a</c>.
/// </summary>
public sealed class OccurrenceRunsTests
{
    private const string Job = "job";

    private static QuartzHistoryBuilder Past => new();

    private static QuartzHistoryBuilder Killed => Past.Firing("a", Job, 1, 1000, 0, null, runs: true).Fault("killed", "a", 1500);

    [Fact]
    public void Each_occurrence_is_finished_by_one_process_and_skipped_by_the_other() => Assert.Empty(Past
        .Run("a", Job, 1, 1000, 1100).Run("a", Job, 2, 2000, 2100)
        .Firing("b", Job, 1, 11000, 11010, Skipped).Firing("b", Job, 2, 12000, 12010, Skipped)
        .Runs(Job, 1, 2).FinishedOnce());

    [Fact]
    public void A_run_that_is_cut_short_by_a_kill_is_finished_by_the_other() =>
        Assert.Empty(Killed.Run("b", Job, 1, 11000, 11100).Runs(Job, 1).FinishedOnce());

    [Fact]
    public void An_occurrence_that_only_a_killed_process_ran_was_not_finished() =>
        Finds(QuartzRule.Never, Killed.Runs(Job, 1).FinishedOnce());

    [Fact]
    public void An_occurrence_that_was_skipped_everywhere_was_not_finished() => Finds(QuartzRule.Never, Past
        .Firing("a", Job, 1, 1000, 1010, Skipped).Firing("b", Job, 1, 11000, 11010, Skipped)
        .Runs(Job, 1).FinishedOnce());

    [Fact]
    public void A_run_that_a_living_process_does_not_finish_is_found() => Finds(
        QuartzRule.Firing, Past.Firing("a", Job, 1, 1000, 0, null, runs: true).Runs(Job, 1).FinishedAtMostOnce());

    [Fact]
    public void An_occurrence_that_was_finished_twice_is_found_in_or_outside_of_the_window()
    {
        QuartzHistoryBuilder past = Past.Run("a", Job, 1, 1000, 1100).Run("b", Job, 1, 11000, 11100);
        Finds(QuartzRule.Twice, past.Runs(Job, 1).FinishedOnce());
        Finds(QuartzRule.Twice, past.Runs(Job).FinishedAtMostOnce());
    }

    [Fact]
    public void No_fault_excuses_a_run_that_was_finished_twice() => Finds(QuartzRule.Twice, Past
        .Fault("frozen", "a", 1080, 9000).Run("a", Job, 1, 1000, 1100).Run("b", Job, 1, 11000, 11100)
        .Runs(Job, 1).FinishedOnce());

    [Fact]
    public void A_job_stands_still_if_a_process_fires_two_occurrences_between_two_runs() => Finds(QuartzRule.StoodStill, Past
        .Run("a", Job, 1, 1000, 1900).Firing("a", Job, 2, 2000, 2010, Skipped).Firing("a", Job, 3, 3000, 3010, Skipped)
        .Run("a", Job, 4, 4000, 4900)
        .Runs(Job).StoodStill());

    [Fact]
    public void A_job_does_not_stand_still_while_one_occurrence_passes() => Assert.Empty(Past
        .Run("a", Job, 1, 1000, 1900).Firing("a", Job, 2, 2000, 2010, Skipped).Run("a", Job, 3, 3000, 3900)
        .Runs(Job).StoodStill());

    [Fact]
    public void A_job_does_not_stand_still_while_occurrences_pass_that_were_run() => Assert.Empty(Past
        .Run("a", Job, 1, 1000, 1100).Run("a", Job, 2, 2000, 2100)
        .Firing("b", Job, 1, 11000, 11010, Skipped).Firing("b", Job, 2, 12000, 12010, Skipped).Run("b", Job, 3, 13000, 13100)
        .Runs(Job).StoodStill());

    [Fact]
    public void The_lease_of_a_dead_process_keeps_a_job_from_running() => Assert.Empty(Killed
        .Firing("b", Job, 2, 2000, 2010, Coalesced).Firing("b", Job, 3, 3000, 3010, Coalesced).Run("b", Job, 4, 9000, 9100)
        .Runs(Job).StoodStill());

    private static void Finds(QuartzRule rule, IEnumerable<QuartzFinding> findings) =>
        Assert.Equal([rule], findings.Select(f => f.Rule));
}
