using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using Microsoft.Extensions.Logging;
using Xunit;

namespace JobLocking.Tests.Engine;

public sealed class OccurrenceTests : IDisposable
{
    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public OccurrenceTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Fact]
    public async Task An_occurrence_that_was_run_is_skipped_by_other_nodes_though_the_lock_is_free()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        await run.EndAsync(null, aborted: false);
        Assert.Empty(await _node.ListAsync());

        foreach (ExecutionOrigin origin in Enum.GetValues<ExecutionOrigin>())
        {
            LockDecision.Skip skip = await _other.DecideAsync<LockDecision.Skip>(Occurrence(_other, origin));
            Assert.Contains("was run by app on node-1", skip.Reason, StringComparison.Ordinal);
        }

        LockOccurrence next = new("Job.Run", _node.Time.GetUtcNow().AddMinutes(1), IsRetry: false);
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other) with { Occurrence = next });
    }

    [Theory]
    [InlineData(LockConflict.Auto)]
    [InlineData(LockConflict.Skip)]
    [InlineData(LockConflict.Fail)]
    public async Task While_an_occurrence_is_being_run_the_others_stand_by_whatever_OnConflict_says(LockConflict onConflict)
    {
        await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        LockDecision.Defer standby = await _other.DecideAsync<LockDecision.Defer>(Occurrence(_other, ExecutionOrigin.Recurring, onConflict));
        Assert.True(standby.StandsBy);
    }

    [Fact]
    public async Task A_standby_does_not_give_up_while_the_runner_is_alive()
    {
        await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        LockExecution standby = Occurrence(_other, ExecutionOrigin.Deferred, giveUpAfter: 20);
        await _other.DecideAsync<LockDecision.Defer>(standby with { Deferral = EngineUnderTest.Deferred(9, _node.Time.GetUtcNow().AddSeconds(-100)) });
    }

    [Fact]
    public async Task The_standby_runs_the_occurrence_when_its_runner_died()
    {
        await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        _node.Dispose();
        _other.Time.Advance(TimeSpan.FromSeconds(61));
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other, ExecutionOrigin.Deferred));
    }

    [Fact]
    public async Task The_mark_is_renewed_with_the_lease()
    {
        TaskLease lease = (await _node.DecideAsync<LockDecision.Run>(Occurrence(_node))).Lease!;
        for (int i = 0; i < 6; i++)
        {
            _node.Time.Advance(TimeSpan.FromSeconds(20));
            await Eventually.IsTrueAsync(() => lease.ExpiresAt > _node.Time.GetUtcNow().AddSeconds(59));
        }

        await _other.DecideAsync<LockDecision.Defer>(Occurrence(_other));
    }

    [Fact]
    public async Task A_run_that_failed_is_run_again_only_by_a_retry()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        await run.EndAsync(new InvalidOperationException("failed"), aborted: false);

        LockDecision.Skip skip = await _other.DecideAsync<LockDecision.Skip>(Occurrence(_other, ExecutionOrigin.Deferred));
        Assert.Contains("was run, and failed, by app on node-1", skip.Reason, StringComparison.Ordinal);
        run = await _node.DecideAsync<LockDecision.Run>(Retry());
        await run.EndAsync(null, aborted: false);
        await _node.DecideAsync<LockDecision.Skip>(Retry());

        LockExecution Retry()
        {
            LockExecution retry = Occurrence(_node, ExecutionOrigin.Retry);
            return retry with { Occurrence = retry.Occurrence! with { IsRetry = true } };
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_that_was_cancelled_by_the_loss_of_its_lease_is_left_to_a_standby(bool isWrapped)
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        run.Lease!.Lose(LeaseLoss.Expired);
        OperationCanceledException cancelled = new();
        Exception error = isWrapped ? new AggregateException(cancelled) : cancelled;
        Assert.IsType<TaskLockLostException>(await run.EndAsync(error, aborted: false));
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other, ExecutionOrigin.Deferred));
    }

    [Fact]
    public async Task A_run_that_stopped_because_it_checked_and_found_its_lease_lost_is_left_to_a_standby()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        run.Lease!.Lose(LeaseLoss.Expired);
        TaskLockLostException noticed = Assert.Throws<TaskLockLostException>(run.Lease.ThrowIfLost);
        Assert.Null(await run.EndAsync(noticed, aborted: false));
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other, ExecutionOrigin.Deferred));
    }

    [Fact]
    public async Task A_run_that_was_stuck_until_its_MaxHold_is_not_left_to_be_stuck_elsewhere()
    {
        LockExecution stuck = _node.Execution(new TaskLockAttribute("x") { OncePerOccurrence = OncePerOccurrence.Always, MaxHold = 60 }) with { Occurrence = Occurrence(_node).Occurrence };
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(stuck);
        _node.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.True(run.Lease!.Lost.IsCancellationRequested);
        await run.EndAsync(new OperationCanceledException(), aborted: false);
        await _other.DecideAsync<LockDecision.Skip>(Occurrence(_other, ExecutionOrigin.Deferred));
    }

    [Fact]
    public async Task A_run_aborted_by_a_shutdown_leaves_the_occurrence_to_the_others_at_once()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        await run.EndAsync(new OperationCanceledException(), aborted: true);
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other));
    }

    [Fact]
    public async Task The_mark_is_written_even_if_the_lease_has_expired_by_then()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        _node.Store.RenewAlways = UnreliableStore.Breakage.RequestLost;
        _node.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.True(run.Lease!.Lost.IsCancellationRequested);

        await run.EndAsync(null, aborted: false);
        await _other.DecideAsync<LockDecision.Skip>(Occurrence(_other));
    }

    [Fact]
    public async Task An_occurrence_whose_mark_may_be_gone_fails_visibly()
    {
        LockExecution old = Occurrence(_node);
        _node.Time.Advance(TimeSpan.FromHours(25));
        LockDecision.Fail fail = await _node.DecideAsync<LockDecision.Fail>(old);
        Assert.Contains("no longer known whether it was run", fail.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_standby_that_comes_back_when_the_mark_may_be_gone_is_skipped_with_a_warning()
    {
        await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        LockDecision.Defer standby = await _other.DecideAsync<LockDecision.Defer>(Occurrence(_other));
        standby.Stored(EngineUnderTest.NeverWoken);
        _other.Time.Advance(TimeSpan.FromHours(25));

        LockDecision.Skip skip = await _other.DecideAsync<LockDecision.Skip>(
            Occurrence(_other, ExecutionOrigin.Deferred) with { Deferral = standby.State });

        Assert.Contains("too old", skip.Reason, StringComparison.Ordinal);
        Assert.Single(_other.LogRecords, r => r.Id.Id == EventIds.OccurrenceForgotten);
    }

    [Fact]
    public async Task A_deferral_that_keeps_asking_runs_its_occurrence_however_old_that_is()
    {
        await using TaskLease? held = await _node.Locks.TryAcquireAsync("x");
        FollowingFireTimes eachSecond = new(_node.Time.GetUtcNow().AddSeconds(1), _node.Time.GetUtcNow().AddSeconds(100));
        LockExecution waits = Occurrence(_other, onConflict: LockConflict.Defer) with { Following = eachSecond };
        for (int minutes = 0; minutes < 60; minutes += 5)
        {
            LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(waits);
            waits = waits with { Origin = ExecutionOrigin.Deferred, Deferral = defer.State };
            await AdvanceWhileHeldAsync(TimeSpan.FromMinutes(5));
        }

        await held!.DisposeAsync();
        await _other.DecideAsync<LockDecision.Run>(waits);

        async Task AdvanceWhileHeldAsync(TimeSpan time)
        {
            for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromSeconds(20))
            {
                _node.Time.Advance(TimeSpan.FromSeconds(20));
                await Eventually.IsTrueAsync(() => held!.ExpiresAt > _node.Time.GetUtcNow().AddSeconds(59));
            }
        }
    }

    [Fact]
    public async Task A_deferral_that_has_not_asked_for_longer_than_the_mark_is_kept_fails_visibly()
    {
        await using TaskLease? held = await _node.Locks.TryAcquireAsync("x");
        FollowingFireTimes eachSecond = new(_node.Time.GetUtcNow().AddSeconds(1), _node.Time.GetUtcNow().AddSeconds(100));
        LockExecution waits = Occurrence(_other, onConflict: LockConflict.Defer) with { Following = eachSecond };
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(waits);
        _node.Time.Advance(TimeSpan.FromMinutes(11));

        await _other.DecideAsync<LockDecision.Fail>(waits with { Origin = ExecutionOrigin.Deferred, Deferral = defer.State });
    }

    [Theory]
    [InlineData(ExecutionOrigin.Retry)]
    [InlineData(ExecutionOrigin.Recovery)]
    public async Task An_execution_that_goes_on_with_a_run_of_its_scheduler_runs_however_late_it_comes(ExecutionOrigin origin)
    {
        LockExecution second = Occurrence(_node, origin) with { Following = EachSecond };
        second = second with { Occurrence = second.Occurrence! with { IsRetry = origin == ExecutionOrigin.Retry } };
        _node.Time.Advance(TimeSpan.FromHours(1));

        await _node.DecideAsync<LockDecision.Run>(second);
    }

    [Fact]
    public async Task A_deferral_that_comes_back_after_its_delay_runs_however_soon_the_next_fire_times_follow()
    {
        TaskLease? held = await _node.Locks.TryAcquireAsync("x");
        LockExecution waits = Occurrence(_other, onConflict: LockConflict.Defer, deferBy: 3600) with { Following = EachSecond };
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(waits);
        await held!.DisposeAsync();
        _other.Time.Advance(defer.Delay + TimeSpan.FromMinutes(5));

        await _other.DecideAsync<LockDecision.Run>(waits with { Origin = ExecutionOrigin.Deferred, Deferral = defer.State });
    }

    [Fact]
    public void A_mark_outlives_the_delay_of_a_deferral_that_waits_for_the_occurrence()
    {
        LockExecution execution = Occurrence(_node, deferBy: 3600) with { Following = EachSecond };

        Assert.Equal(TimeSpan.FromHours(2), OccurrenceRule.KeepFor(execution, execution.Occurrence!.ScheduledTime));
    }

    [Theory]
    [InlineData(LockUnavailable.Defer)]
    [InlineData(LockUnavailable.Fail)]
    public async Task A_standby_stands_by_while_the_store_is_unavailable_and_takes_over_afterwards(LockUnavailable onUnavailable)
    {
        TaskLockAttribute x = new("x")
        {
            OncePerOccurrence = OncePerOccurrence.Always,
            OnConflict = LockConflict.Fail,
            OnUnavailable = onUnavailable,
            GiveUpAfter = 15,
        };
        LockExecution standsBy = _other.Execution(x, occurrence: Occurrence(_other).Occurrence);
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        LockDecision.Defer standby = await _other.DecideAsync<LockDecision.Defer>(standsBy);
        DateTimeOffset? askedAt = standby.State.AskedAt;

        _other.Store.AcquireAlways = UnreliableStore.Breakage.RequestLost;
        for (int i = 0; i < 3; i++)
        {
            _other.Time.Advance(TimeSpan.FromSeconds(10));
            standsBy = standsBy with { Origin = ExecutionOrigin.Deferred, Deferral = standby.State };
            standby = await _other.DecideAsync<LockDecision.Defer>(standsBy);
        }

        Assert.True(standby.StandsBy);
        Assert.Equal((0, null, askedAt), (standby.State.Deferrals, standby.State.FirstDeferredAt, standby.State.AskedAt));
        _other.Store.AcquireAlways = UnreliableStore.Breakage.None;
        await run.EndAsync(new OperationCanceledException(), aborted: true);
        await _other.DecideAsync<LockDecision.Run>(standsBy with { Deferral = standby.State });
    }

    [Theory]
    [InlineData(1, (10 * 60) + 1)] // each second: at least ten minutes, from the next fire time
    [InlineData(60, 100 * 60)] // each minute: a hundred fire times
    [InlineData(3600, 24 * 3600)] // each hour: at most OccurrenceRetention
    [InlineData(7 * 24 * 3600, (7 * 24 * 3600) + (10 * 60))] // each week: until ten minutes after the next fire time
    public void A_mark_is_kept_for_a_hundred_fire_times_within_bounds_and_always_past_the_next(int interval, int expected)
    {
        DateTimeOffset time = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        LockExecution execution = Occurrence(_node) with
        {
            Following = new FollowingFireTimes(time.AddSeconds(interval), time.AddSeconds(100L * interval)),
        };

        Assert.Equal(TimeSpan.FromSeconds(expected), OccurrenceRule.KeepFor(execution, time));
    }

    [Fact]
    public async Task Standing_by_is_no_deferral_and_says_so_at_Information_only_when_it_takes_over()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Occurrence(_node));
        LockDecision.Defer standby = await _other.DecideAsync<LockDecision.Defer>(Occurrence(_other, giveUpAfter: 15));
        standby.Stored(EngineUnderTest.NeverWoken);

        Assert.True(standby.StandsBy);
        Assert.Equal((0, null), (standby.State.Deferrals, standby.State.FirstDeferredAt));
        Assert.DoesNotContain(_other.LogRecords, r => r.Id.Id == EventIds.Deferred);
        Assert.DoesNotContain(_other.LogRecords, r => r.Id.Id == EventIds.StandsBy && r.Level >= LogLevel.Information);

        await run.EndAsync(new OperationCanceledException(), aborted: true);
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other, ExecutionOrigin.Deferred) with { Deferral = standby.State });
        Assert.Equal(LogLevel.Information, Assert.Single(_other.LogRecords, r => r.Id.Id == EventIds.TakesOver).Level);
    }

    public void Dispose()
    {
        _node.Dispose();
        _other.Dispose();
    }

    private FollowingFireTimes EachSecond => new(_node.Time.GetUtcNow().AddSeconds(1), _node.Time.GetUtcNow().AddSeconds(100));

    private static LockExecution Occurrence(
        EngineUnderTest node,
        ExecutionOrigin origin = ExecutionOrigin.Recurring,
        LockConflict onConflict = LockConflict.Auto,
        int giveUpAfter = 0,
        int deferBy = 15) =>
        node.Execution(
            new TaskLockAttribute("x")
            {
                OncePerOccurrence = OncePerOccurrence.Always,
                OnConflict = onConflict,
                GiveUpAfter = giveUpAfter,
                DeferBy = deferBy,
            },
            origin,
            occurrence: new LockOccurrence("Job.Run", new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), IsRetry: false));
}
