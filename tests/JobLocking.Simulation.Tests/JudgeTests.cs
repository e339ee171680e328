using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Judging;
using Xunit;
using static JobLocking.Simulation.Tests.HistoryBuilder;

namespace JobLocking.Simulation.Tests;

/// <summary>Histories that must be judged bad, and similar ones that must be judged good.</summary>
public sealed class JudgeTests
{
    [Fact]
    public void One_after_the_other_is_correct() =>
        Good(new HistoryBuilder().Holds("L1", 1, 5).Holds("L2", 5.1, 8, "n2"));

    [Fact]
    public void Two_holders_at_once_are_one_too_many()
    {
        Bad("too many believe", new HistoryBuilder().Holds("L1", 1, 5).Holds("L2", 4, 8, "n2"));
        Good(new HistoryBuilder().Holds("L1", 1, 5, limit: 2).Holds("L2", 4, 8, "n2", limit: 2));
    }

    [Fact]
    public void The_smallest_limit_of_the_present_holders_counts()
    {
        Bad("too many believe", new HistoryBuilder().Holds("L1", 1, 5, limit: 3).Holds("L2", 2, 6, limit: 3).Holds("L3", 4, 8, "n2", limit: 2));
        Good(new HistoryBuilder().Holds("L1", 1, 5, limit: 3).Holds("L2", 2, 6, limit: 3).Holds("L3", 4, 8, "n2", limit: 3));
    }

    [Fact]
    public void Two_holders_at_once_are_excused_by_what_the_server_has_forgotten_since_the_last_request()
    {
        HistoryBuilder overlap() => new HistoryBuilder().Holds("L1", 1, 5, how: End.Told).Holds("L2", 4, 8, "n2");
        Good(overlap().And(new Fact.DataLost(At(3))));
        Good(overlap().And(new Fact.ClockStepped(At(3), TimeSpan.FromSeconds(20))));
        Good(overlap().And(new Fact.Freed(At(3), "x", At(1), ByBreak: true)));
        Bad("too many believe", overlap().And(new Fact.DataLost(At(0.5))));
        Bad("too many believe", overlap().And(new Fact.DataLost(At(3))).Asks("L1", 3.2, call: StoreCall.Renew));
        Bad("too many believe", overlap().And(new Fact.ClockStepped(At(3), TimeSpan.FromSeconds(-20))));

        // What was requested since would not have lasted that long anyway.
        Good(overlap().And(new Fact.DataLost(At(3))).Asks("L1", 3.2, call: StoreCall.Renew, expiry: 0.5));
        Bad("too many believe", overlap().And(new Fact.DataLost(At(3))).Asks("L1", 3.2, call: StoreCall.Renew, expiry: 0.9));
        Bad("too many believe", overlap().And(new Fact.Freed(At(3), "x", At(77), ByBreak: true)));
    }

    [Fact]
    public void A_frozen_process_believes_nothing_until_it_thaws()
    {
        HistoryBuilder frozen(double toldAt) => new HistoryBuilder().Holds("L1", 1, toldAt, how: End.Told).Holds("L2", 15, 18, "n2").And(new Fact.Frozen(At(2), "n1"), new Fact.Thawed(At(16), "n1"));
        Good(frozen(16));
        Bad("too many believe", frozen(16.5));
        Bad("believed after its deadline", frozen(16.5));
    }

    [Fact]
    public void A_process_that_has_died_holds_nothing() =>
        Good(new HistoryBuilder().Holds("L1", 1, 20, how: End.Told).Holds("L2", 15, 18, "n2").And(new Fact.Gone(At(3), "n1", InOrder: false)));

    [Fact]
    public void Tokens_grow()
    {
        Bad("tokens do not grow", new HistoryBuilder().Holds("L1", 1, 5, token: 7).Holds("L2", 6, 8, token: 7));
        Bad("tokens do not grow", new HistoryBuilder().Holds("L1", 1, 5, token: 7).Holds("L2", 6, 8, token: 6));
        Fact[] forgotten = [new Fact.DataLost(At(5.5)), new Fact.ClockStepped(At(2), TimeSpan.FromSeconds(-5))];
        Good(new HistoryBuilder().Holds("L1", 1, 5, token: 7).Holds("L2", 6, 8, token: 6).And(forgotten));
        Bad("tokens do not grow", new HistoryBuilder().Holds("L1", 1, 5, token: 7).Holds("L2", 6, 8, token: 6).And(forgotten[0]));
    }

    [Fact]
    public void A_minimum_hold_is_kept_only_after_success()
    {
        Bad("minimum hold", new HistoryBuilder().Holds("L1", 1, 2, minHold: 5).Holds("L2", 3, 4));
        Good(new HistoryBuilder().Holds("L1", 1, 2, minHold: 5, how: End.ReleasedEarly).Holds("L2", 3, 4));
        Good(new HistoryBuilder().Holds("L1", 1, 2, minHold: 5).Holds("L2", 6.1, 7));
    }

    [Fact]
    public void No_holder_believes_past_the_expiry_counted_from_the_last_answered_request()
    {
        Bad("believed after its deadline", new HistoryBuilder().Holds("L1", 1, 10.95, how: End.Told));
        Good(new HistoryBuilder().Holds("L1", 1, 10.9, how: End.Told));
        Good(new HistoryBuilder().Holds("L1", 1, 18, how: End.Told).Asks("L1", 9, call: StoreCall.Renew));
        Bad("believed after its deadline", new HistoryBuilder().Holds("L1", 1, 8, maxHold: 5));
        Bad("never ended", new HistoryBuilder().Asks("L1", 1).And(new Fact.Held(At(1.1), "n1", "L1", "x", 1, 1, TimeSpan.FromSeconds(10), default, default)));
    }

    [Fact]
    public void A_lease_is_not_lost_while_nothing_is_broken()
    {
        Bad("lost although nothing was broken", new HistoryBuilder().And(new Fact.Calm(0)).Holds("L1", 20, 25, how: End.Told));
        Good(new HistoryBuilder().And(new Fact.Calm(0)).Holds("L1", 20, 24.9, how: End.Told, maxHold: 5));
        Good(new HistoryBuilder().And(new Fact.Calm(At(10))).Holds("L1", 20, 25, how: End.Threw));
    }

    [Fact]
    public void A_released_lease_is_not_renewed() =>
        Bad("after it was given back", new HistoryBuilder().Holds("L1", 1, 5).Asks("L1", 5.5, call: StoreCall.Renew, done: false));

    [Fact]
    public void A_lease_that_ends_is_released_and_no_other()
    {
        Bad("not given back", new HistoryBuilder().Asks("L1", 0.9).And(new Fact.Held(At(1), "n1", "L1", "x", 1, 1, TimeSpan.FromSeconds(10), default, default), new Fact.Ended(At(2), "L1", End.Released)));
        Bad("did not ask for", new HistoryBuilder().Holds("L1", 1, 5).GivesBack("L1", 2, "n2"));
    }

    [Fact]
    public void A_release_is_reported_only_when_it_has_been_answered() =>
        Bad("before there is an answer", new HistoryBuilder().Asks("L1", 0.9)
            .And(new Fact.Held(At(1), "n1", "L1", "x", 1, 1, TimeSpan.FromSeconds(10), default, default), new Fact.Ended(At(2), "L1", End.Released))
            .And(new Fact.Sent(At(2), "n1", 99, StoreCall.Release, "L1", "x", default), new Fact.Returned(At(2), "L1")));

    [Fact]
    public void A_living_process_uses_or_releases_what_it_was_granted()
    {
        Bad("neither took it nor gave it back", new HistoryBuilder().Asks("L1", 1));
        Good(new HistoryBuilder().Asks("L1", 1).GivesBack("L1", 2));
        Good(new HistoryBuilder().Asks("L1", 1).And(new Fact.Gone(At(1.5), "n1", InOrder: false)));
        Good(new HistoryBuilder().Asks("L1", 1).Asks("L1", 12, done: false));
    }

    [Fact]
    public void An_occurrence_that_has_succeeded_is_not_granted_again()
    {
        Bad("has succeeded", new HistoryBuilder().Holds("L1", 1, 3, occurrence: "o").Holds("L2", 4, 5, "n2", occurrence: "o"));
        Good(new HistoryBuilder().Holds("L1", 1, 3, occurrence: "o").Holds("L2", 4, 5, "n2", occurrence: "p"));
        Good(new HistoryBuilder().Holds("L1", 1, 3, occurrence: "o").And(new Fact.DataLost(At(3.5))).Holds("L2", 4, 5, "n2", occurrence: "o"));
    }

    [Fact]
    public void A_success_reported_after_another_run_of_the_occurrence_has_ended_may_be_followed_by_a_further_run()
    {
        // The server forgot the first runner, then the second, and learned of the failure of the second before the success of the first.
        HistoryBuilder story = new HistoryBuilder().Asks("L1", 1, occurrence: "o").Holds("L2", 3, 6, "n2", how: End.ReleasedEarly, occurrence: "o").GivesBack("L1", 7, occurrence: "o").Holds("L3", 8, 9, "n2", occurrence: "o");
        Good(story.And(new Fact.DataLost(At(2)), new Fact.DataLost(At(5))));
    }

    [Fact]
    public void An_occurrence_has_one_runner_even_where_the_lock_has_room() =>
        Bad("run twice at once", new HistoryBuilder().Holds("L1", 1, 5, limit: 3, occurrence: "o").Holds("L2", 2, 4, "n2", limit: 3, occurrence: "o"));

    [Fact]
    public void No_execution_waits_for_a_lock_that_is_free()
    {
        HistoryBuilder waits(double until) => new HistoryBuilder().Holds("L1", 1, 2).And(new Fact.Calm(At(5)), new Fact.Waits(At(30), "w", "n2", "x", 1, false), new Fact.WaitsNoMore(At(until), "w"), new Fact.Submitted(At(100), "last"), new Fact.Finished(At(100), "last", "succeeded"));
        Bad("has had room", waits(50));
        Good(waits(44));
        Good(waits(50).And(new Fact.Gone(At(40), "n2", InOrder: false)));
        Good(waits(50).Holds("L2", 40, 45).Holds("L3", 46, 49));
    }

    [Fact]
    public void After_a_release_a_waiter_requests_the_lock()
    {
        HistoryBuilder handoff() => new HistoryBuilder().And(new Fact.Calm(0), new Fact.Waits(At(20), "w", "n2", "x", 1, false), new Fact.WaitsNoMore(At(60), "w")).Holds("L1", 25, 30);
        Bad("no execution requested it", handoff().Holds("L2", 34, 55, how: End.Told, maxHold: 9));
        Good(handoff().Holds("L2", 30.5, 38, "n2").Holds("L3", 39, 48, "n2").Holds("L4", 49, 58, "n2"));
        HistoryBuilder unasked() => new HistoryBuilder().And(new Fact.Calm(0)).Holds("L1", 25, 30).Holds("L2", 34, 38, "n2");
        Fact[] waits(int limit = 1, bool hasMoved = false) => [new Fact.Waits(At(20), "w", "n2", "x", limit, false, hasMoved), new Fact.WaitsNoMore(At(34), "w")];
        Bad("no execution requested it", unasked().And(waits()));
        Good(unasked().And(waits(hasMoved: true)));

        // Sent before the release, applied after it.
        Good(unasked().And(waits()).Asks("L9", 30.005, "n2", done: false));
        Bad("no execution requested it", unasked().And(waits()).Asks("L9", 29, "n2", done: false));
    }

    [Fact]
    public void A_waiter_may_wait_for_the_end_of_a_minimum_hold_although_another_slot_becomes_free()
    {
        HistoryBuilder unasked(double minHold) => new HistoryBuilder().And(new Fact.Calm(0), new Fact.Waits(At(20), "w", "n2", "x", 2, false), new Fact.WaitsNoMore(At(34), "w"))
            .Holds("L1", 25, 30, limit: 2).Holds("L2", 25.5, 29, limit: 2, minHold: minHold).Holds("L3", 34, 38, "n2", limit: 2);
        Bad("no execution requested it", unasked(minHold: 0));
        Good(unasked(minHold: 8));
    }

    [Fact]
    public void Work_ends_and_a_second_attempt_is_not_skipped_and_nothing_is_left()
    {
        Bad("never ended", new HistoryBuilder().And(new Fact.Submitted(1, "job")));
        Bad("not the first attempt", new HistoryBuilder().And(new Fact.Decided(1, "job", "skip", IsFirstAttempt: false, IsOccurrence: false)));
        Good(new HistoryBuilder().And(new Fact.Decided(1, "job", "skip", IsFirstAttempt: false, IsOccurrence: true)));
        Bad("left at n1: 1 timers", new HistoryBuilder().And(new Fact.Left(1, "n1", "1 timers")));
    }

    private static void Good(HistoryBuilder story) => Assert.Empty(Judge.Violations(story.Facts));

    private static void Bad(string why, HistoryBuilder story) => Assert.Contains(Judge.Violations(story.Facts), violation => violation.Contains(why, StringComparison.Ordinal));
}
