using System.Diagnostics;
using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;
using Xunit;
using static JobLocking.TestWorker.Chaos.HangfireEventKind;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>Jobs that the judge must accept, and jobs that it must reject, each by its own rule and no other.</summary>
public sealed class HangfireJudgeTests
{
    private const string Defer = nameof(HangfireJobs.Defer);

    private const string Skip = nameof(HangfireJobs.Skip);

    private static readonly HistoryBuilder Nothing = new();

    private static readonly string[] Run = ["Enqueued", "Processing", "Succeeded"];

    [Fact]
    public void A_job_that_runs_once_and_succeeds_is_correct() => Passes(Defer, Run, [Told(10, Ran), Told(20, Done)]);

    [Fact]
    public void A_job_may_be_deferred_woken_and_tried_again() => Passes(
        Defer,
        ["Enqueued", "Processing", "Scheduled:Deferred (1): x", "Enqueued:Woken: x", "Processing", "Scheduled:Retry attempt 1 of 20: by chance", .. Run],
        [Told(10, Ran), Told(30, Ran), Told(40, Done)]);

    [Fact]
    public void A_job_that_skips_may_be_skipped() => Passes(Skip, ["Enqueued", "Processing", "Deleted:Skipped: held"], []);

    [Fact]
    public void A_run_whose_process_was_killed_may_be_repeated()
    {
        HangfireEvent[] twice = [Told(10, Ran), Told(20, Done), Told(30, Ran, "b"), Told(40, Done, "b")];
        Passes(Defer, Run, twice, new HistoryBuilder().Fault("killed", "a", 25));
        Fails(HangfireRule.Twice, Defer, Run, twice, new HistoryBuilder().Fault("killed", "b", 45));
    }

    [Fact]
    public void A_run_whose_process_did_not_answer_for_long_may_be_repeated()
    {
        HangfireEvent[] twice = [Told(10, Ran), Told(20, Done), Told(30, Ran, "b"), Told(40, Done, "b")];
        Passes(Defer, Run, twice, new HistoryBuilder().Fault("frozen", "a", 15, 50));
        Fails(HangfireRule.Twice, Defer, Run, twice, new HistoryBuilder().Fault("frozen", "a", 5, 8));
    }

    [Fact]
    public void A_run_that_lost_its_lease_may_be_repeated()
    {
        string[] retried = ["Enqueued", "Processing", "Scheduled:Retry attempt 1 of 20: Lock 'x' was lost", .. Run];
        HangfireEvent[] twice = [Told(10, Ran), Told(20, Done), Told(30, Ran, "b"), Told(40, Done, "b")];
        Passes(Defer, retried, twice, new HistoryBuilder().Asked(5, "a", 1).Then(9, HistoryEventKind.Granted, "a", 1, 7).Then(21, HistoryEventKind.Lost, "a", 1, 7));
        Fails(HangfireRule.Failed, Defer, retried, [Told(40, Ran), Told(50, Done)], Nothing);
    }

    [Fact]
    public void A_job_that_is_gone_is_found() => Fails(HangfireRule.Lost, Defer, [], [Told(10, Ran), Told(20, Done)]);

    [Fact]
    public void A_job_that_is_delivered_again_while_it_runs_may_run_again() => Passes(
        Defer, ["Enqueued", "Processing", "Processing", "Scheduled:Deferred (1): lock 'x' is held by a, Hangfire job Defer #17", .. Run], [Told(10, Ran), Told(20, Done), Told(30, Ran), Told(40, Done)]);

    [Fact]
    public void A_job_that_is_delivered_again_while_it_runs_may_run_twice_at_once_under_a_shared_lock()
    {
        const string Shared = nameof(HangfireJobs.Shared);
        HangfireEvent[] beside = [Told(10, Ran), Told(15, Ran, performance: 2), Told(20, Done), Told(30, Done, performance: 2)];
        Passes(Shared, Run, beside);
        Fails(HangfireRule.Twice, Defer, Run, beside);
        Fails(HangfireRule.Twice, Shared, Run, [Told(10, Ran), Told(20, Done), Told(30, Ran, performance: 2), Told(40, Done, performance: 2)]);
    }

    [Fact]
    public void A_job_that_is_deferred_for_another_and_runs_twice_is_found() => Fails(
        HangfireRule.Twice,
        Defer,
        ["Enqueued", "Processing", "Scheduled:Deferred (1): lock 'x' is held by a, Hangfire job Defer #18", .. Run],
        [Told(10, Ran), Told(20, Done), Told(30, Ran), Told(40, Done)]);

    [Theory]
    [InlineData("Enqueued")]
    [InlineData("Processing")]
    [InlineData("Scheduled")]
    public void A_job_that_does_not_end_is_found(string state) => Fails(HangfireRule.Lost, Defer, ["Enqueued", state], []);

    [Fact]
    public void A_success_without_work_is_found() => Fails(HangfireRule.Success, Defer, Run, [Told(10, Ran)]);

    [Fact]
    public void A_job_that_is_skipped_although_it_defers_is_found() => Fails(HangfireRule.Skipped, Defer, ["Enqueued", "Processing", "Deleted:Skipped: held"], []);

    [Theory]
    [InlineData("Deleted")]
    [InlineData("Deleted:Skipped: ")]
    [InlineData("Deleted:Replaced by the deferral")]
    public void A_skip_without_a_reason_is_found(string end) => Fails(HangfireRule.Skipped, Skip, ["Enqueued", "Processing", end], []);

    [Fact]
    public void A_job_that_is_skipped_when_it_comes_back_after_its_server_died_is_found() =>
        Fails(HangfireRule.Skipped, Skip, ["Enqueued", "Processing", "Deleted:Skipped: held"], [Told(10, Ran)], new HistoryBuilder().Fault("killed", "a", 15));

    [Fact]
    public void A_job_that_is_skipped_after_it_was_deferred_is_found() =>
        Fails(HangfireRule.Skipped, Skip, ["Enqueued", "Processing", "Scheduled:Deferred (1): the store is unavailable", "Enqueued", "Processing", "Deleted:Skipped: held"], []);

    [Fact]
    public void A_job_that_is_given_up_is_found() => Fails(HangfireRule.Failed, Defer, ["Enqueued", "Processing", "Failed:by chance"], [Told(10, Ran)]);

    [Fact]
    public void A_failure_without_a_cause_is_found() =>
        Fails(HangfireRule.Failed, Skip, ["Enqueued", "Processing", "Scheduled:Retry attempt 1 of 20: by chance", .. Run], [Told(10, Ran), Told(30, Ran), Told(40, Done)]);

    private static void Passes(string kind, string[] states, HangfireEvent[] told, HistoryBuilder? past = null) => Assert.Empty(Check(kind, states, told, past ?? Nothing));

    private static void Fails(HangfireRule rule, string kind, string[] states, HangfireEvent[] told, HistoryBuilder? past = null) =>
        Assert.Equal(rule, Assert.Single(Check(kind, states, told, past ?? Nothing)).Rule);

    private static IReadOnlyList<HangfireFinding> Check(string kind, string[] states, HangfireEvent[] told, HistoryBuilder past)
    {
        StoredState[] stored = [.. states.Select(s => s.Split(':', 2)).Select(s => new StoredState(s[0], s.Length > 1 ? s[1] : ""))];
        return HangfireJudge.Check([new StoredJob(1, kind, stored, "17")], told, new IndexedHistory(past.Events, new Terms(new Dictionary<string, LockTerms>(), Lab.Liveness)));
    }

    private static HangfireEvent Told(long at, HangfireEventKind what, string process = "a", long performance = 1) =>
        new(at * Stopwatch.Frequency / 1000, process, what, 1, performance);
}
