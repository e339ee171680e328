using JobLocking.TestWorker.Chaos;
using Xunit;
using static JobLocking.TestWorker.Chaos.HistoryEventKind;

namespace JobLocking.ChaosTests.History;

/// <summary>
/// Histories that must pass, and histories that must fail, each by its own rule and no other. Lock x has a limit of one, y a limit of two;
/// leases last 300 ms.
/// </summary>
public sealed class CheckerTests
{
    private static readonly Terms Promised = new(
        new Dictionary<string, LockTerms>
        {
            ["x"] = new(1, TimeSpan.FromMilliseconds(300)),
            ["y"] = new(2, TimeSpan.FromMilliseconds(300)),
        },
        TimeSpan.FromMilliseconds(1000))
    { Grace = TimeSpan.FromMilliseconds(50) };

    private static HistoryBuilder OneAfterTheOther => new HistoryBuilder().Whole("a", 1, 10, asked: 0, granted: 5, claimed: 20, released: 30).Whole("b", 1, 11, asked: 10, granted: 31, claimed: 40, released: 50);

    [Fact]
    public void Nothing_is_wrong_with_an_empty_history() => Passes(new HistoryBuilder());

    [Fact]
    public void One_after_the_other_passes() => Passes(OneAfterTheOther);

    [Fact]
    public void Lines_may_come_in_any_order_of_processes() =>
        Assert.Empty(Checker.Check([.. OneAfterTheOther.Events.Reverse().OrderBy(e => e.Process).ThenBy(e => e.At)], Promised));

    [Fact]
    public void A_limit_of_two_lets_two_in() => Passes(new HistoryBuilder()
        .Whole("a", 1, 10, 0, 5, 40, 50, "y").Whole("b", 1, 11, 1, 6, 40, 50, "y").Tried(20, 25, Contended, "c", 1, "y"));

    [Fact]
    public void A_holder_may_be_frozen_past_its_lease_if_it_claims_nothing_afterwards() => Passes(new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10)
        .Fault("frozen", "a", 55, 900)
        .Whole("b", 1, 11, 60, 360, 400, 450)
        .Then(901, Lost, "a", 1, 10).Then(902, Disowned, "a", 1, 10).Then(903, Releasing, "a", 1, 10).Then(904, Released, "a", 1, 10));

    [Fact]
    public void A_killed_holder_needs_no_end() => Passes(new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10).Fault("killed", "a", 55)
        .Tried(60, 62, Contended, "b", 1).Whole("b", 2, 11, 63, 360, 400, 450));

    [Fact]
    public void A_holder_from_before_an_erasure_may_overlap_with_one_from_after_it() => Passes(Overtaken(erased: 60));

    [Fact]
    public void An_acquire_whose_answer_was_lost_may_hold_the_lock_for_an_expiry() => Passes(new HistoryBuilder()
        .Fault("reply-dropped", "a", 0, 30).Tried(1, 40, Unavailable, "a", 1).Tried(300, 310, Contended, "b", 1).Tried(380, 381, Cancelled, "b", 2).Tried(600, 601, Contended, "b", 3));

    [Fact]
    public void Every_request_may_be_refused_while_the_server_is_frozen_and_until_the_first_answer_after_it() => Passes(new HistoryBuilder()
        .Tried(0, 1, Contended, "b", 1).Whole("a", 1, 10, 0, 1, 2, 4)
        .Fault("frozen", "redis", 10, 200).Tried(5, 100, Unavailable, "a", 2).Tried(205, 206, Unavailable, "a", 3).Whole("a", 4, 11, 210, 215, 216, 220));

    [Fact]
    public void All_executions_make_progress_when_all_faults_are_over() => Passes(new HistoryBuilder()
        .Fault("frozen", "redis", 0, 90).Healed(100).Whole("a", 1, 10, 110, 120, 130, 140).Whole("b", 1, 11, 115, 150, 160, 170).Tried(1500, 1501, Cancelled, "a", 2));

    [Fact]
    public void Two_hold_a_lock_with_a_limit_of_one() => Fails(Rule.Exclusion, new HistoryBuilder()
        .Whole("a", 1, 11, 0, 5, 40, 50).Whole("b", 1, 10, 1, 6, 30, 35), alsoAllowed: Rule.Belief);

    [Fact]
    public void Three_hold_a_lock_with_a_limit_of_two() => Fails(Rule.Exclusion, new HistoryBuilder()
        .Whole("a", 1, 10, 0, 5, 40, 50, "y").Whole("b", 1, 11, 1, 6, 40, 50, "y").Whole("c", 1, 12, 2, 7, 8, 50, "y"));

    [Fact]
    public void A_holder_that_was_frozen_claims_during_the_next_hold() => Fails(Rule.Exclusion, new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10).Fault("frozen", "a", 55, 400)
        .Whole("b", 1, 11, 60, 360, 450, 460)
        .Then(401, Claimed, "a", 1, 10).Then(402, Lost, "a", 1, 10).Then(403, Releasing, "a", 1, 10).Then(404, Released, "a", 1, 10), alsoAllowed: Rule.Belief);

    [Fact]
    public void An_erasure_does_not_excuse_two_holders_that_were_both_granted_after_it() => Fails(Rule.Exclusion, new HistoryBuilder()
        .Erased(1).Whole("a", 1, 11, 2, 5, 40, 50).Whole("b", 1, 10, 2, 6, 30, 35), alsoAllowed: Rule.Belief);

    [Fact]
    public void An_erasure_of_another_lock_excuses_nothing() => Fails(Rule.Exclusion, Overtaken(erased: 60, "y"), alsoAllowed: [Rule.Belief, Rule.UnexplainedLoss]);

    [Fact]
    public void A_claim_succeeds_after_the_loss_was_reported() => Fails(Rule.Belief, new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10).Fault("frozen", "redis", 60, 500)
        .Then(350, Lost, "a", 1, 10).Then(351, Claimed, "a", 1, 10).Then(355, Releasing, "a", 1, 10).Then(600, Released, "a", 1, 10));

    [Fact]
    public void A_claim_succeeds_after_the_release() => Fails(Rule.Belief, OneAfterTheOther.Then(51, Claimed, "b", 1, 11));

    [Fact]
    public void A_claim_that_began_before_the_loss_was_reported_is_no_violation() => Passes(new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10).Fault("cut", "a", 30, 500)
        .Then(56, Lost, "a", 1, 10).Then(55, Claimed, "a", 1, 10).Then(57, Releasing, "a", 1, 10).Then(58, Released, "a", 1, 10));

    [Fact]
    public void A_holder_claims_after_the_next_was_granted_although_that_one_never_claims() => Fails(Rule.Belief, new HistoryBuilder()
        .Asked(0, "a", 1).Asked(1, "b", 1).Then(5, Granted, "a", 1, 10).Then(20, Granted, "b", 1, 11).Fault("killed", "b", 21)
        .Then(30, Claimed, "a", 1, 10).Then(32, Releasing, "a", 1, 10).Then(33, Released, "a", 1, 10));

    [Fact]
    public void An_erased_lease_is_believed_in_for_more_than_an_expiry() => Fails(Rule.Belief, Erased("by-hand"));

    [Fact]
    public void A_lease_that_may_have_survived_may_be_believed_in() => Passes(Erased("perhaps"));

    [Fact]
    public void A_lease_is_believed_in_for_more_than_an_expiry_while_the_server_is_frozen() => Fails(Rule.Belief, new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Fault("frozen", "redis", 10, 900).Claims(10, 800, "a", 1, 10)
        .Then(801, Lost, "a", 1, 10).Then(802, Releasing, "a", 1, 10).Then(950, Released, "a", 1, 10));

    [Theory]
    [InlineData("black-hole", "a", true)]
    [InlineData("black-hole", "redis", true)]
    [InlineData("black-hole", "b", false)]
    [InlineData("slow", "a", false)]
    public void A_lease_is_believed_in_for_more_than_an_expiry_while_no_answer_can_come(string fault, string target, bool isSilent)
    {
        HistoryBuilder history = new HistoryBuilder()
            .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Fault(fault, target, 10, 900).Claims(10, 800, "a", 1, 10)
            .Then(801, Releasing, "a", 1, 10).Then(950, Released, "a", 1, 10);
        Judge(isSilent ? Rule.Belief : null, history, Promised with { Silences = new HashSet<string> { "black-hole" } }, []);
    }

    [Fact]
    public void A_token_is_granted_twice() => Fails(Rule.Tokens, new HistoryBuilder().Whole("a", 1, 10, 0, 5, 20, 30).Whole("b", 1, 10, 10, 31, 40, 50));

    [Fact]
    public void A_token_goes_back() => Fails(Rule.Tokens, Backwards, alsoAllowed: Rule.Belief);

    [Fact]
    public void A_token_goes_back_though_nothing_is_written_under_it() => Fails(Rule.Tokens, new HistoryBuilder().Whole("a", 1, 11, 0, 5, 20, 30)
        .Asked(31, "b", 1).Then(35, Granted, "b", 1, 10).Then(36, Releasing, "b", 1, 10).Then(37, Released, "b", 1, 10));

    [Fact]
    public void A_lease_has_no_token() => Fails(Rule.Tokens, new HistoryBuilder().Whole("a", 1, 0, 0, 5, 20, 30));

    [Fact]
    public void A_token_goes_back_across_an_erasure() => Fails(Rule.Tokens, new HistoryBuilder().Whole("a", 1, 11, 0, 5, 20, 30).Erased(35).Whole("b", 1, 10, 40, 45, 50, 60));

    [Fact]
    public void A_token_may_go_back_where_the_terms_say_so_and_the_clock_was_set_back()
    {
        HistoryBuilder history = new HistoryBuilder().Whole("a", 1, 11, 0, 5, 20, 30).Fault("clock-behind", "redis", 35, 36).Whole("b", 1, 10, 40, 45, 50, 60);
        Passes(history, Promised with { TokensMayGoBack = true });
        Fails(Rule.Tokens, history, alsoAllowed: Rule.Belief);
    }

    [Fact]
    public void A_token_must_not_go_back_on_one_side_of_the_step() => Fails(Rule.Tokens, Backwards.Fault("clock-behind", "redis", 100, 110), Promised with { TokensMayGoBack = true }, Rule.Belief);

    [Fact]
    public void A_request_from_before_the_other_grant_was_reported_may_get_either_token() => Passes(new HistoryBuilder().Whole("a", 1, 11, 0, 5, 6, 8).Asked(4, "b", 1).Then(30, Granted, "b", 1, 10)
        .Then(31, Disowned, "b", 1, 10).Then(32, Releasing, "b", 1, 10).Then(33, Released, "b", 1, 10).Fault("frozen", "b", 5, 29));

    [Fact]
    public void Something_is_written_under_a_smaller_token() => Fails(Rule.Tokens, new HistoryBuilder()
        .Asked(0, "a", 1).Asked(1, "b", 1).Then(5, Granted, "b", 1, 11).Then(6, Claimed, "b", 1, 11).Then(7, Wrote, "b", 1, 11)
        .Then(8, Granted, "a", 1, 10).Then(9, Claimed, "a", 1, 10).Then(10, Wrote, "a", 1, 10)
        .Then(11, Releasing, "a", 1, 10).Then(12, Released, "a", 1, 10).Then(13, Releasing, "b", 1, 11).Then(14, Released, "b", 1, 11), alsoAllowed: Rule.Belief);

    [Fact]
    public void The_counter_equals_what_was_written() => Passes(OneAfterTheOther, Counted(2));

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_counter_differs_from_what_was_written(long count) => Fails(Rule.LostUpdate, OneAfterTheOther, Counted(count));

    [Fact]
    public void A_killed_process_may_have_written_once_more_and_not_twice()
    {
        HistoryBuilder history = OneAfterTheOther.Asked(60, "c", 1).Then(65, Granted, "c", 1, 12).Then(66, Claimed, "c", 1, 12).Fault("killed", "c", 67);
        Passes(history, Counted(2));
        Passes(history, Counted(3));
        Fails(Rule.LostUpdate, history, Counted(4));
    }

    [Theory]
    [InlineData(Lost)]
    [InlineData(Disowned)]
    internal void A_lease_ends_without_a_cause(HistoryEventKind loss) => Fails(Rule.UnexplainedLoss, Deprived(loss));

    [Theory]
    [InlineData("a", true)]
    [InlineData("redis", true)]
    [InlineData("", true)]
    [InlineData("b", false)]
    public void Only_a_fault_of_the_process_itself_or_of_the_server_is_a_cause(string target, bool isCause)
    {
        HistoryBuilder history = Deprived(Lost).Fault("cut", target, 30, 40);
        Judge(isCause ? null : Rule.UnexplainedLoss, history, Promised, []);
    }

    [Fact]
    public void A_fault_that_was_over_before_is_no_cause() => Fails(Rule.UnexplainedLoss, Deprived(Lost).Fault("cut", "a", -50, -40));

    [Fact]
    public void A_holder_that_got_no_processor_time_may_lose_its_lease() => Passes(new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 50, "a", 1, 10).Then(310, Lost, "a", 1, 10).Then(311, Releasing, "a", 1, 10).Then(312, Released, "a", 1, 10));

    [Fact]
    public void No_request_gets_a_lock_when_all_faults_are_over() => Fails(Rule.Liveness, new HistoryBuilder()
        .Fault("frozen", "redis", 0, 90).Healed(100).Tried(110, 111, Contended, "a", 1).Tried(300, 301, Contended, "a", 2).Tried(1500, 1501, Cancelled, "a", 3));

    [Fact]
    public void A_process_gets_no_answer_when_all_faults_are_over() => Fails(Rule.Liveness, new HistoryBuilder()
        .Fault("frozen", "redis", 0, 90).Healed(100).Whole("a", 1, 10, 110, 120, 130, 140).Tried(115, 120, Unavailable, "b", 1).Tried(200, 300, Unavailable, "b", 2)
        .Tried(1500, 1501, Cancelled, "a", 2));

    [Fact]
    public void A_waiter_is_not_served_although_the_lock_is_free() => Fails(Rule.Liveness, new HistoryBuilder()
        .Whole("a", 1, 10, 0, 5, 20, 30).Asked(10, "b", 1).Then(1500, Granted, "b", 1, 11).Then(1501, Releasing, "b", 1, 11).Then(1502, Released, "b", 1, 11));

    [Fact]
    public void A_waiter_during_a_fault_has_the_full_time_after_it() => Passes(new HistoryBuilder()
        .Whole("a", 1, 10, 0, 5, 20, 30).Asked(10, "b", 1).Fault("cut", "b", 40, 600).Then(1500, Granted, "b", 1, 11).Then(1501, Releasing, "b", 1, 11).Then(1502, Released, "b", 1, 11));

    [Fact]
    public void A_waiter_waits_for_as_long_as_the_holder_holds() => Passes(new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 2000, "a", 1, 10).Then(2001, Releasing, "a", 1, 10).Then(2002, Released, "a", 1, 10)
        .Whole("b", 1, 11, 10, 2003, 2004, 2006));

    [Fact]
    public void An_execution_has_no_outcome() => Fails(Rule.Outcome, OneAfterTheOther.Asked(45, "c", 1));

    [Fact]
    public void A_lease_is_neither_released_nor_lost() => Fails(Rule.Outcome, OneAfterTheOther.Asked(45, "c", 1).Then(55, Granted, "c", 1, 12));

    [Fact]
    public void A_release_does_not_return() => Fails(Rule.Outcome, Deprived(Lost, returns: false).Fault("cut", "a", 30));

    [Fact]
    public void An_execution_fails_with_an_exception_outside_the_contract() => Fails(Rule.Outcome, OneAfterTheOther.Tried(45, 46, Failed, "c", 1));

    [Fact]
    public void An_execution_has_two_outcomes() => Fails(Rule.Outcome, OneAfterTheOther.Then(52, Contended, "b", 1));

    [Fact]
    public void An_execution_that_was_refused_works_all_the_same() => Fails(Rule.Outcome, OneAfterTheOther.Tried(21, 22, Contended, "c", 1).Then(23, Wrote, "c", 1));

    [Theory]
    [InlineData("killed")]
    [InlineData("frozen")]
    public void A_process_that_was_killed_or_is_still_frozen_need_not_have_an_outcome(string kind) => Passes(OneAfterTheOther.Asked(45, "c", 1).Fault(kind, "c", 46));

    [Fact]
    public void A_thawed_process_needs_an_outcome() => Fails(Rule.Outcome, OneAfterTheOther.Asked(45, "c", 1).Fault("frozen", "c", 46, 48));

    [Fact]
    public void A_key_is_left_behind() => Fails(Rule.Orphan, OneAfterTheOther.Orphan(900));

    [Fact]
    public void A_key_is_left_behind_by_a_killed_process() => Fails(Rule.Orphan, OneAfterTheOther.Asked(60, "c", 1).Fault("killed", "c", 61).Orphan(900, "y"));

    [Fact]
    public void The_store_is_unavailable_although_nothing_is_broken() => Fails(Rule.Unavailable, OneAfterTheOther.Tried(51, 60, Unavailable, "a", 2));

    [Fact]
    public void The_store_is_unavailable_although_an_answer_came_after_the_fault() => Fails(Rule.Unavailable, new HistoryBuilder()
        .Fault("frozen", "redis", 0, 20).Whole("a", 1, 10, 25, 26, 27, 30).Tried(31, 40, Unavailable, "a", 2));

    [Fact]
    public void A_fault_of_another_process_does_not_excuse_an_unavailable_store() => Fails(Rule.Unavailable, OneAfterTheOther.Fault("cut", "b", 51, 55).Tried(51, 60, Unavailable, "a", 2));

    [Fact]
    public void The_store_is_unavailable_while_the_machine_is_starved() => Passes(OneAfterTheOther.Tried(51, 60, Unavailable, "a", 2).Starved(55, 56));

    [Fact]
    public void The_store_is_unavailable_although_the_machine_is_no_longer_starved() => Fails(Rule.Unavailable, OneAfterTheOther.Tried(51, 60, Unavailable, "a", 2).Starved(45, 50));

    [Fact]
    public void A_starved_machine_does_not_excuse_two_holders() => Fails(Rule.Exclusion, new HistoryBuilder()
        .Whole("a", 1, 11, 0, 5, 40, 50).Whole("b", 1, 10, 1, 6, 30, 35).Starved(0, 60), alsoAllowed: Rule.Belief);

    [Fact]
    public void A_starved_machine_does_not_excuse_a_lack_of_progress() => Fails(Rule.Liveness, new HistoryBuilder()
        .Whole("a", 1, 10, 0, 5, 20, 30).Asked(10, "b", 1).Starved(20, 1490).Then(1500, Granted, "b", 1, 11).Then(1501, Releasing, "b", 1, 11).Then(1502, Released, "b", 1, 11));

    [Fact]
    public void A_lock_that_no_execution_can_hold_is_refused() => Fails(Rule.SpuriousRefusal, OneAfterTheOther.Tried(51, 52, Contended, "a", 2));

    [Fact]
    public void A_lock_is_refused_although_the_unanswered_acquire_has_expired() => Fails(Rule.SpuriousRefusal, new HistoryBuilder().Tried(0, 10, Cancelled, "a", 1).Tried(361, 362, Contended, "b", 1));

    [Fact]
    public void A_lock_with_a_limit_of_two_is_refused_with_one_holder() => Fails(Rule.SpuriousRefusal, new HistoryBuilder().Whole("a", 1, 10, 0, 5, 40, 50, "y").Tried(20, 25, Contended, "c", 1, "y"));

    [Fact]
    public void A_lock_that_is_kept_for_its_minimum_hold_may_be_refused() => Passes(OneAfterTheOther.Tried(60, 61, Contended, "a", 2),
        Promised with { Locks = new Dictionary<string, LockTerms> { ["x"] = Promised.Of("x") with { MinHold = TimeSpan.FromMilliseconds(40) } } });

    [Fact]
    public void A_history_of_a_million_lines_is_judged_in_seconds()
    {
        HistoryBuilder history = new();
        for (int i = 0; i < 100_000; i++)
        {
            history.Whole("a", i + 1, i + 1, i * 10, (i * 10) + 2, (i * 10) + 3, (i * 10) + 5).Tried((i * 10) + 1, (i * 10) + 4, Contended, "b", i + 1).Fault("cut", "b", i * 10, (i * 10) + 1);
        }

        Passes(history);
    }

    [Fact]
    public void The_summary_counts_the_contents_of_the_history()
    {
        Summary summary = Summary.Of(OneAfterTheOther.Fault("cut", "a", 60, 61).Fault("cut", "b", 60, 61).Fault("killed", "b", 70).Healed(80).Tried(1500, 1501, Cancelled, "a", 2).Events, Promised);
        Assert.Equal((2, 3, 1, 1), (summary.Processes, summary.Executions, summary.Heals, summary.HealsJudged));
        Assert.Equal(2, summary.Outcomes[Granted]);
        Assert.Equal(2, summary.Faults["cut"]);
        Assert.Equal(1, summary.Faults["killed"]);
    }

    private static HistoryBuilder Backwards => new HistoryBuilder().Whole("a", 1, 11, 0, 5, 20, 30).Whole("b", 1, 10, 31, 35, 36, 40);

    /// <summary>While a holds the lock, b is granted it.</summary>
    private static HistoryBuilder Overtaken(long erased, string name = "") => new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 100, "a", 1, 10).Erased(erased, name)
        .Whole("b", 1, 11, 65, 70, 80, 120)
        .Then(101, Lost, "a", 1, 10).Then(102, Releasing, "a", 1, 10).Then(103, Released, "a", 1, 10);

    private static HistoryBuilder Erased(string detail) => new HistoryBuilder()
        .Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 400, "a", 1, 10).Erased(60, "x", detail)
        .Then(401, Releasing, "a", 1, 10).Then(402, Released, "a", 1, 10);

    private static HistoryBuilder Deprived(HistoryEventKind loss, bool returns = true)
    {
        HistoryBuilder past = new HistoryBuilder().Asked(0, "a", 1).Then(5, Granted, "a", 1, 10).Claims(10, 100, "a", 1, 10).Then(101, loss, "a", 1, 10).Then(102, Releasing, "a", 1, 10);
        return returns ? past.Then(103, Released, "a", 1, 10) : past;
    }

    private static Terms Counted(long count) => Promised with { Locks = new Dictionary<string, LockTerms> { ["x"] = Promised.Of("x") with { Count = count } } };

    private static void Passes(HistoryBuilder history, Terms? terms = null) => Judge(null, history, terms ?? Promised, []);

    private static void Fails(Rule rule, HistoryBuilder history, params Rule[] alsoAllowed) => Judge(rule, history, Promised, alsoAllowed);

    private static void Fails(Rule rule, HistoryBuilder history, Terms terms, params Rule[] alsoAllowed) => Judge(rule, history, terms, alsoAllowed);

    private static void Judge(Rule? expected, HistoryBuilder history, Terms terms, Rule[] alsoAllowed)
    {
        IReadOnlyList<Violation> found = Checker.Check(history.Events, terms);
        Assert.All(found, v => Assert.True(v.Rule == expected || alsoAllowed.Contains(v.Rule), v.ToString()));
        Assert.Equal(expected is not null, found.Any(v => v.Rule == expected));
    }
}
