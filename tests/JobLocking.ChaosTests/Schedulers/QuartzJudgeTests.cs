using Xunit;
using static JobLocking.TestWorker.Chaos.QuartzEventKind;
using static JobLocking.TestWorker.Chaos.QuartzJobs;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Reports that the judge must accept, and reports that it must reject, each by its own rule and no other. The schedule fires every two
/// seconds.
/// </summary>
public sealed class QuartzJudgeTests
{
    private const string Deferral = "joblocking.x 0";

    /// <summary>Process a runs it, while b stands by and then skips it.</summary>
    private static QuartzHistoryBuilder RunOnce => new QuartzHistoryBuilder().Node("a", Once, 0, 3000).Node("b", Once, 0, 3000)
        .Run("a", Once, 2, 2000, 2500)
        .Deferred("b", Once, 2, 2010, 2020).Firing("b", Once, 2, 2510, 2520, Skipped, Deferral);

    [Fact]
    public void Nothing_is_wrong_with_an_empty_run() => Passes(new QuartzHistoryBuilder());

    [Fact]
    public void One_runs_an_occurrence_and_the_others_skip_it() => Passes(RunOnce);

    [Fact]
    public void A_deferral_that_comes_back_early_was_woken()
    {
        Passes(RunOnce);
        Assert.Equal(1, RunOnce.Wakes());
        Assert.Equal(0, new QuartzHistoryBuilder().Deferred("a", Defer, 2, 2000, 2010).Run("a", Defer, 2, 3012, 3100, Deferral).Wakes());
    }

    [Fact]
    public void A_deferral_may_stand_for_those_that_come_after_it_and_be_woken_as_it_fires() => Passes(new QuartzHistoryBuilder().Node("a", Defer, 0, 5000)
        .Deferred("a", Defer, 2, 2000, 2010).Firing("a", Defer, 4, 4000, 4010, Coalesced)
        .Firing("a", Defer, 2, 4100, 4110, Woken, Deferral).Run("a", Defer, 2, 4105, 4200, "joblocking.y 0"));

    [Fact]
    public void A_run_that_failed_by_chance_or_lost_its_lease_is_tried_again() => Passes(new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Node("a", Skip, 0, 3000)
        .Firing("a", Defer, 2, 2000, 2100, Retried, detail: "by chance", runs: true).Run("a", Defer, 2, 2200, 2300, "DEFAULT.defer 1")
        .Firing("a", Skip, 2, 2000, 2100, Failed, runs: true, loses: true));

    [Fact]
    public void A_killed_process_need_not_end_anything() => Passes(new QuartzHistoryBuilder().Node("a", Once).Node("b", Once, 0, 3000)
        .Firing("a", Once, 2, 2000, 0, null, runs: true).Fault("killed", "a", 2300)
        .Deferred("b", Once, 2, 2010, 2020).Run("b", Once, 2, 5000, 5100, Deferral));

    [Fact]
    public void An_occurrence_whose_only_run_was_cut_short_may_count_as_run() => Passes(new QuartzHistoryBuilder().Node("a", Once)
        .Firing("a", Once, 2, 2000, 0, null, runs: true).Fault("killed", "a", 2300));

    [Fact]
    public void An_occurrence_is_not_run_if_all_living_processes_say_that_it_failed() => Passes(new QuartzHistoryBuilder().Node("a", Once, 0, 3000)
        .Firing("a", Once, 2, 2000, 2900, Failed, runs: true, loses: true));

    [Fact]
    public void An_erasure_takes_the_mark_of_a_run() => Passes(RunTwice().Erased(2510));

    [Fact]
    public void A_run_that_lost_its_lease_may_be_repeated() => Passes(new QuartzHistoryBuilder().Node("a", Once, 0, 3000).Node("b", Once, 0, 3000)
        .Firing("a", Once, 2, 2000, 5000, Succeeded, runs: true, done: true, loses: true)
        .Deferred("b", Once, 2, 2010, 2020).Run("b", Once, 2, 4900, 5100, Deferral));

    [Fact]
    public void A_run_may_be_lost_if_its_process_is_killed_before_Redis_knows_of_it() => Passes(RunTwice(killed: 2700).Fault("refused", "a", 2400, 9000));

    [Fact]
    public void A_run_that_Redis_does_not_know_of_yet_may_be_repeated() => Passes(RunTwice().Fault("refused", "a", 2400, 9000));

    [Fact]
    public void A_time_that_was_never_fired_is_found() =>
        Fails(QuartzRule.Schedule, new QuartzHistoryBuilder().Node("a", Skip, 0, 5000).Run("a", Skip, 2, 2000, 2500));

    [Fact]
    public void A_time_that_was_fired_twice_is_found() =>
        Fails(QuartzRule.Schedule, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Deferred("a", Defer, 2, 2000, 2500).Run("a", Defer, 2, 2600, 2700));

    [Fact]
    public void A_firing_that_does_not_end_is_found() =>
        Fails(QuartzRule.Firing, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Firing("a", Defer, 2, 2000, 0, null, runs: true).Run("a", Defer, 2, 2500, 2600, Deferral));

    [Fact]
    public void A_success_without_work_is_found() =>
        Fails(QuartzRule.Firing, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2010, Succeeded));

    [Fact]
    public void Work_that_is_done_must_not_be_taken_for_a_failure() =>
        Fails(QuartzRule.Firing, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2100, Failed, runs: true, done: true, loses: true));

    [Fact]
    public void A_run_that_is_reported_as_skipped_is_found() =>
        Fails(QuartzRule.Firing, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2010, Skipped, runs: true));

    [Fact]
    public void A_firing_that_is_silently_cancelled_is_found() =>
        Fails(QuartzRule.Firing, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2010, Cancelled));

    [Fact]
    public void A_deferral_that_never_comes_back_is_found() =>
        Fails(QuartzRule.Chain, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Deferred("a", Defer, 2, 2000, 2010));

    [Fact]
    public void A_retry_that_never_comes_is_found() =>
        Fails(QuartzRule.Chain, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Firing("a", Defer, 2, 2000, 2100, Retried, detail: "by chance", runs: true));

    [Fact]
    public void A_woken_deferral_that_nothing_replaced_is_found() => Fails(QuartzRule.Chain, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000)
        .Deferred("a", Defer, 2, 2000, 2010).Firing("a", Defer, 2, 2500, 2510, Woken, Deferral));

    [Fact]
    public void A_deferral_that_runs_twice_is_found() => Fails(QuartzRule.Chain, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000)
        .Deferred("a", Defer, 2, 2000, 2010).Run("a", Defer, 2, 2500, 2600, Deferral).Run("a", Defer, 2, 2700, 2800, "joblocking.y 0"));

    [Fact]
    public void A_deferral_that_remains_when_all_faults_are_over_is_found() =>
        Fails(QuartzRule.Rest, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Deferred("a", Defer, 2, 2000, 2010).Pending("a", Defer, 2, 60000));

    [Fact]
    public void Coalesced_with_nothing_is_lost() =>
        Fails(QuartzRule.Coalesced, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Firing("a", Defer, 2, 2000, 2010, Coalesced));

    [Fact]
    public void Coalesced_with_a_deferral_that_had_fired_is_lost() => Fails(QuartzRule.Coalesced, new QuartzHistoryBuilder().Node("a", Defer, 0, 5000)
        .Deferred("a", Defer, 2, 2000, 2010).Run("a", Defer, 2, 3900, 4500, Deferral).Firing("a", Defer, 4, 4000, 4010, Coalesced));

    [Fact]
    public void A_second_attempt_must_not_be_skipped() => Fails(QuartzRule.Skipped, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000)
        .Deferred("a", Skip, 2, 2000, 2010).Firing("a", Skip, 2, 2500, 2510, Skipped, Deferral));

    [Fact]
    public void A_job_that_defers_must_not_be_skipped() =>
        Fails(QuartzRule.Skipped, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Firing("a", Defer, 2, 2000, 2010, Skipped));

    [Fact]
    public void A_skip_must_have_a_reason() =>
        Fails(QuartzRule.Skipped, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2010, Skipped, detail: ""));

    [Fact]
    public void An_occurrence_must_not_be_skipped_before_it_has_been_run() => Fails(QuartzRule.Skipped, new QuartzHistoryBuilder().Node("a", Once, 0, 3000).Node("b", Once, 0, 3000)
        .Firing("a", Once, 2, 2000, 2010, Skipped).Run("b", Once, 2, 2000, 2500));

    [Fact]
    public void A_failure_has_a_cause() =>
        Fails(QuartzRule.Failed, new QuartzHistoryBuilder().Node("a", Skip, 0, 3000).Firing("a", Skip, 2, 2000, 2010, Failed, runs: true));

    [Fact]
    public void A_failure_without_a_run_has_no_cause() =>
        Fails(QuartzRule.Failed, new QuartzHistoryBuilder().Node("a", Defer, 0, 3000).Firing("a", Defer, 2, 2000, 2010, Failed, detail: "by chance"));

    [Fact]
    public void An_occurrence_must_not_be_run_twice() => Fails(QuartzRule.Twice, RunTwice());

    [Fact]
    public void An_erasure_before_or_after_both_runs_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice().Erased(1990).Erased(9000));

    [Fact]
    public void An_outage_that_was_over_long_before_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice(second: 12000).Fault("frozen", "redis", 2400, 2600));

    [Fact]
    public void An_outage_that_came_after_Redis_knew_of_the_run_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice(killed: 2700).Fault("refused", "a", 2550, 9000));

    [Fact]
    public void A_fault_of_another_process_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice().Fault("refused", "b", 2400, 2600));

    [Fact]
    public void A_fault_that_takes_away_neither_answer_nor_mark_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice().Fault("script-flush", "redis", 2400, 2600));

    [Fact]
    public void Being_killed_after_its_end_excuses_nothing() => Fails(QuartzRule.Twice, RunTwice(killed: 2520));

    [Fact]
    public void An_occurrence_that_no_process_ran_is_found() => Fails(QuartzRule.Never, new QuartzHistoryBuilder().Node("a", Once).Node("b", Once, 0, 5000)
        .Firing("a", Once, 4, 4000, 0, null).Fault("killed", "a", 4100)
        .Deferred("b", Once, 2, 2000, 2010).Firing("b", Once, 4, 4000, 4010, Coalesced).Run("b", Once, 2, 4100, 4200, Deferral));

    private static QuartzHistoryBuilder RunTwice(long? killed = null, long second = 4900)
    {
        QuartzHistoryBuilder past = new QuartzHistoryBuilder().Node("a", Once, 0, killed is null ? 3000 : null).Node("b", Once, 0, 3000)
            .Run("a", Once, 2, 2000, 2500).Deferred("b", Once, 2, 2010, 2020).Run("b", Once, 2, second, second + 100, Deferral);
        return killed is { } at ? past.Fault("killed", "a", at) : past;
    }

    private static void Passes(QuartzHistoryBuilder past) => Assert.Empty(past.Judge());

    private static void Fails(QuartzRule rule, QuartzHistoryBuilder past) => Assert.Equal([rule], past.Judge().Select(f => f.Rule).Distinct());
}
