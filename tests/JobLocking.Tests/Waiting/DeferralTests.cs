using System.Collections.Concurrent;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using JobLocking.Tests.Telemetry;
using JobLocking.Waiting;
using Xunit;
using Breakage = JobLocking.Tests.Engine.UnreliableStore.Breakage;

namespace JobLocking.Tests.Waiting;

/// <summary>Deferrals that a release wakes: what the engine does.</summary>
public sealed class DeferralTests : IDisposable
{
    private static readonly TaskLockAttribute Deferring = new("x") { OnConflict = LockConflict.Defer };

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;
    private readonly ConcurrentQueue<string> _woken = new();

    public DeferralTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Fact]
    public async Task A_release_wakes_the_oldest_deferral_and_no_other()
    {
        LockDecision.Run run = await HoldAsync();
        await DeferAsync(_other, "first");
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "second");
        Assert.Equal(2, Assert.Single(await _node.ListAsync()).Waiters.Count);

        await run.EndAsync(null, aborted: false);
        await WokenAsync("first");
    }

    [Fact]
    public async Task A_wake_up_that_comes_while_the_deferral_is_being_stored_is_remembered()
    {
        LockDecision.Run run = await HoldAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        await run.EndAsync(null, aborted: false);
        defer.Stored(() => Wake("late"));
        await WokenAsync("late");
    }

    [Fact]
    public async Task A_deferral_that_is_not_stored_leaves_the_queue_and_the_next_is_woken()
    {
        LockDecision.Run run = await HoldAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer coalesced = await _other.DecideAsync<LockDecision.Defer>(execution);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "second");
        await run.EndAsync(null, aborted: false);
        Assert.Empty(_woken);

        coalesced.NotStored();
        await WokenAsync("second");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_deferral_that_cannot_be_started_lets_the_next_be_woken(bool throws)
    {
        LockDecision.Run run = await HoldAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer gone = await _other.DecideAsync<LockDecision.Defer>(execution);
        gone.Stored(() => throws ? throw new InvalidOperationException("storage") : new ValueTask<bool>(false));
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "second");

        await run.EndAsync(null, aborted: false);
        await WokenAsync("second");
        Assert.Equal(throws, _other.LoggedIds.Contains(EventIds.WakeFailed));
    }

    [Fact]
    public async Task A_deferral_whose_storage_failed_when_it_was_woken_is_woken_by_a_later_poll()
    {
        LockDecision.Run run = await HoldAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        int wakes = 0;
        defer.Stored(() => Interlocked.Increment(ref wakes) < 3 ? throw new InvalidOperationException("storage") : Wake("third time"));
        await run.EndAsync(null, aborted: false);
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
            return _woken.SequenceEqual(["third time"]);
        });
        Assert.True(_node.Time.GetUtcNow() < new DateTimeOffset(2026, 1, 1, 0, 0, 30, TimeSpan.Zero), "it was not woken before it came back by itself");
    }

    [Fact]
    public async Task A_woken_execution_that_finds_the_lock_taken_again_has_its_old_position()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState state = await DeferAsync(_other, "first");
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "second");
        await run.EndAsync(null, aborted: false);
        await WokenAsync("first");

        // Another execution was faster. Meanwhile another process runs the first one.
        TaskLease faster = (await _node.Locks.TryAcquireAsync("x"))!;
        Assert.Equal(state.Waiter, (await DeferAsync(_node, "first again", state)).Waiter);
        await faster.DisposeAsync();
        await WokenAsync("first", "first again");
    }

    [Fact]
    public async Task A_deferral_that_came_back_by_itself_and_ran_is_not_woken()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState state = await DeferAsync(_other, "first");
        await run.EndAsync(null, aborted: false);
        await WokenAsync("first");
        LockDecision.Run itself = await _other.DecideAsync<LockDecision.Run>(_other.Execution(Deferring, ExecutionOrigin.Deferred, deferral: state));
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        await itself.EndAsync(null, aborted: false);
        Assert.Single(_woken);
    }

    [Fact]
    public async Task A_standby_that_finds_its_occurrence_done_declines_its_wake_up()
    {
        LockOccurrence occurrence = new("Job.Run", _node.Time.GetUtcNow(), IsRetry: false);
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring, ExecutionOrigin.Recurring, occurrence: occurrence));
        DeferralState standby = await DeferAsync(_other, "standby", occurrence: occurrence);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "next");

        await run.EndAsync(null, aborted: false);
        await WokenAsync("standby");
        await _other.DecideAsync<LockDecision.Skip>(_other.Execution(Deferring, ExecutionOrigin.Deferred, occurrence: occurrence, deferral: standby));
        await WokenAsync("standby", "next");
    }

    [Fact]
    public async Task A_standby_whose_occurrence_is_still_running_declines_its_wake_up()
    {
        LockOccurrence occurrence = new("Job.Run", _node.Time.GetUtcNow(), IsRetry: false);
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring, ExecutionOrigin.Recurring, occurrence: occurrence));
        DeferralState standby = await DeferAsync(_other, "standby", occurrence: occurrence);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "next");

        // The lock is free, and the run continues without it until it notices the loss.
        await _node.Memory.BreakAsync("x", run.Lease!.FencingToken, CancellationToken.None);
        await WokenAsync("standby");
        await DeferAsync(_other, "standby again", standby, occurrence);
        await WokenAsync("standby", "next");
    }

    [Fact]
    public async Task When_a_holder_dies_one_deferral_is_woken_within_its_expiry_and_a_poll()
    {
        await _node.Memory.AcquireAsync(new AcquireRequest("x", "dead", TimeSpan.FromSeconds(30), new LockHolder("app", "dead", "Test", null, null, default)), CancellationToken.None);
        TaskLockAttribute patient = new("x") { OnConflict = LockConflict.Defer, DeferBy = 3600 };
        await DeferAsync(_other, "first", taskLock: patient);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_other, "second", taskLock: patient);
        await PolledAtAsync(TimeSpan.FromSeconds(29));
        Assert.Empty(_woken);
        await PolledAtAsync(TimeSpan.FromSeconds(2));
        await WokenAsync("first");
    }

    [Fact]
    public async Task A_poll_that_restores_entries_while_the_lock_is_free_wakes_the_next_soon()
    {
        await _node.Memory.AcquireAsync(new AcquireRequest("x", "dead", TimeSpan.FromSeconds(3), new LockHolder("app", "dead", "Test", null, null, default)), CancellationToken.None);
        foreach (string name in new[] { "first", "second", "third" })
        {
            DeferralState state = await DeferAsync(_other, name);
            await _node.Memory.LeaveAsync(new LeaveRequest("x", state.Waiter.Split(':')[1]), CancellationToken.None);
            _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        await PolledAtAsync(TimeSpan.FromSeconds(3.2));

        // The first is woken and does not ask; the others are in the queue again, and the next one is woken.
        await PolledAtAsync(TimeSpan.FromSeconds(1.2));
        await Eventually.IsTrueAsync(() => _woken.Count >= 2);
        Assert.Equal("first", _woken.First());
    }

    [Fact]
    public async Task A_deferral_is_woken_when_a_store_that_was_out_of_reach_is_back()
    {
        _other.Store.AcquireAlways = Breakage.Refused;
        await DeferAsync(_other, "unavailable");
        _other.Store.AcquireAlways = Breakage.None;
        await PolledAtAsync(TimeSpan.FromSeconds(5.2));
        await WokenAsync("unavailable");
    }

    [Fact]
    public async Task Deferrals_that_could_not_enter_the_queue_are_all_woken_when_the_store_is_back()
    {
        _other.Store.AcquireAlways = Breakage.Refused;
        foreach (string name in new[] { "first", "second", "third" })
        {
            LockExecution execution = _other.Execution(new TaskLockAttribute("x"), ExecutionOrigin.Recurring);
            (await _other.DecideAsync<LockDecision.Defer>(execution)).Stored(() => Wake(name));
        }

        _other.Store.AcquireAlways = Breakage.None;

        // One after the other, because none of them asks.
        await PolledAtAsync(TimeSpan.FromSeconds(16));
        await Eventually.SeesAsync(() => string.Join(", ", _woken.Order()), woken => woken == "first, second, third");
    }

    [Fact]
    public async Task A_position_that_a_poll_has_given_is_kept()
    {
        LockDecision.Run run = await HoldAsync();
        _other.Store.AcquireAlways = Breakage.Refused;
        await DeferAsync(_other, "unavailable", taskLock: new TaskLockAttribute("x") { OnConflict = LockConflict.Defer, DeferBy = 300 });
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        _other.Store.AcquireAlways = Breakage.None;
        await PolledAtAsync(TimeSpan.FromSeconds(5.2));
        DateTimeOffset since = Assert.Single(Assert.Single(await _node.ListAsync()).Waiters).Since;

        // Its wake-up is lost, and a newcomer has the lock at the next poll.
        await _other.GoesDeafAsync();
        await run.EndAsync(null, aborted: false);
        await HoldAsync();
        await PolledAtAsync(TimeSpan.FromSeconds(5.2));
        Assert.Equal(since, Assert.Single(Assert.Single(await _node.ListAsync()).Waiters).Since);
    }

    [Fact]
    public async Task A_deferral_that_is_due_is_forgotten_some_time_later()
    {
        await HoldForDaysAsync();
        await DeferAsync(_other, "first");
        await PolledAtAsync(TimeSpan.FromSeconds(14) + WaitingTimes.LapseAfterDelay);
        Assert.Single(Assert.Single(await _node.ListAsync()).Waiters);
        await PolledAtAsync(TimeSpan.FromSeconds(7));
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        Assert.Empty(_woken);

        int calls = _other.Store.Calls.Count;
        await PolledAtAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(calls, _other.Store.Calls.Count);
    }

    [Fact]
    public async Task A_deferral_that_came_back_elsewhere_and_lost_its_entry_is_still_woken_by_a_release()
    {
        DeferralState state = await DeferAndComeBackElsewhereAsync();
        await _node.Memory.LeaveAsync(new LeaveRequest("x", state.Waiter.Split(':')[1]), CancellationToken.None);

        // The process in which it waited before polls first.
        await ReconnectAsync(_other);
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        await ReconnectAsync(_node);

        HeldLock held = Assert.Single(await _node.ListAsync());
        await _node.Memory.BreakAsync("x", held.FencingToken!.Value, CancellationToken.None);
        await WokenAsync("elsewhere");
    }

    [Fact]
    public async Task A_poll_that_finds_room_for_a_deferral_that_came_back_elsewhere_wakes_it_there()
    {
        await DeferAndComeBackElsewhereAsync();
        TaskCompletionSource neverPolls = new();
        _node.Store.HoldPoll = neverPolls;

        await PolledAtAsync(TimeSpan.FromSeconds(30));
        await WokenAsync("elsewhere");
        neverPolls.SetResult();
    }

    [Fact]
    public async Task A_deferral_that_is_never_reported_as_stored_is_forgotten()
    {
        using Measurements measured = new(_other.Meters);
        await HoldForDaysAsync();
        await _other.DecideAsync<LockDecision.Defer>(_other.Execution(Deferring));
        Assert.Equal(1, measured.Sum(JobLockingDiagnostics.Waiters));
        await PolledAtAsync(TimeSpan.FromSeconds(21) + WaitingTimes.LapseAfterDelay);
        Assert.Equal(0, measured.Sum(JobLockingDiagnostics.Waiters));
    }

    [Fact]
    public async Task A_deferral_that_is_reported_as_stored_after_it_came_back_leaves_nothing_behind()
    {
        using Measurements measured = new(_other.Meters);
        await HoldForDaysAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer slow = await _other.DecideAsync<LockDecision.Defer>(execution);
        LockExecution back = _other.Execution(Deferring, ExecutionOrigin.Deferred, deferral: slow.State.Woken());
        LockDecision.Defer again = await _other.DecideAsync<LockDecision.Defer>(back);
        slow.Stored(() => Wake("slow"));
        again.Stored(() => Wake("again"));
        Assert.Equal(1, measured.Sum(JobLockingDiagnostics.Waiters));
        await PolledAtAsync(TimeSpan.FromSeconds(21) + WaitingTimes.LapseAfterDelay);
        Assert.Equal(0, measured.Sum(JobLockingDiagnostics.Waiters));
        int calls = _other.Store.Calls.Count;
        await PolledAtAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(calls, _other.Store.Calls.Count);
    }

    [Fact]
    public async Task An_execution_asks_to_be_queued_only_when_it_has_to()
    {
        LockDecision.Run run = await HoldAsync();
        Assert.Equal([false], HasWaiter(_node));

        // Only the store knows of another process; for its own locks each process knows when they become free.
        await DeferAsync(_other, "behind another process");
        Assert.Equal([false, true], HasWaiter(_other));
        await DeferAsync(_node, "behind its own");
        Assert.Equal([false, true], HasWaiter(_node));

        Assert.Equal(2, Assert.Single(await _node.ListAsync()).Waiters.Count);
        await run.EndAsync(null, aborted: false);

        static IEnumerable<bool> HasWaiter(EngineUnderTest node) => node.Store.Asked.Select(request => request.Waiter is not null);
    }

    [Theory]
    [InlineData(LockUnavailable.Run)]
    [InlineData(LockUnavailable.Fail)]
    [InlineData(LockUnavailable.Defer)]
    public async Task An_execution_that_gets_no_answer_when_it_asks_to_be_queued_is_deferred_whatever_OnUnavailable_says(LockUnavailable onUnavailable)
    {
        LockDecision.Run run = await HoldAsync();
        _other.Store.Acquire.Enqueue(Breakage.None);
        _other.Store.Acquire.Enqueue(Breakage.Refused);
        await DeferAsync(_other, "refused", taskLock: new TaskLockAttribute("x") { OnConflict = LockConflict.Defer, OnUnavailable = onUnavailable });

        // The next poll enters it into the queue.
        await PolledAtAsync(TimeSpan.FromSeconds(5.2));
        Assert.Single(Assert.Single(await _node.ListAsync()).Waiters);
        await run.EndAsync(null, aborted: false);
        await WokenAsync("refused");
    }

    [Fact]
    public async Task An_execution_that_is_granted_the_lock_when_it_asks_to_be_queued_is_not_queued()
    {
        using Measurements measured = new(_other.Meters);
        LockDecision.Run run = await HoldAsync();
        Task<LockDecision> asking = await BetweenItsQuestionsAsync(Deferring, ExecutionOrigin.OneOff, () => run.EndAsync(null, aborted: false).AsTask());

        Assert.NotNull(Assert.IsType<LockDecision.Run>(await asking).Lease);
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        Assert.Equal((0, 0), (measured.Sum(JobLockingDiagnostics.Waiters), measured.Sum(JobLockingDiagnostics.Defers)));
    }

    [Fact]
    public async Task An_execution_that_is_skipped_when_it_asks_to_be_queued_leaves_the_queue_and_is_counted_once()
    {
        using Measurements measured = new(_other.Meters);
        TaskLockAttribute taskLock = new("x");
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock, job: "Other.Run"));
        Task<LockDecision> asking = await BetweenItsQuestionsAsync(taskLock, ExecutionOrigin.Recurring, async () =>
        {
            await run.EndAsync(null, aborted: false);
            await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock, ExecutionOrigin.Recurring));
        });

        Assert.IsType<LockDecision.Skip>(await asking);
        await Eventually.IsTrueAsync(() => _other.Store.Has("leave x"));
        Assert.Empty(Assert.Single(await _node.ListAsync()).Waiters);
        Assert.Equal((0, 0, 1), (measured.Sum(JobLockingDiagnostics.Waiters), measured.Sum(JobLockingDiagnostics.Defers), measured.Sum(JobLockingDiagnostics.Skips)));
    }

    [Fact]
    public async Task An_execution_that_is_cancelled_when_it_asks_to_be_queued_leaves_the_queue()
    {
        await HoldAsync();
        using CancellationTokenSource cancelled = new();
        TaskCompletionSource never = new();
        Task<LockDecision> asking = await BetweenItsQuestionsAsync(Deferring, ExecutionOrigin.OneOff, () => Task.CompletedTask, never, cancelled.Token);
        await Eventually.SeesAsync(() => _other.Store.Asked.Count, asked => asked == 2);

        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Eventually.SeesAsync(async () => Assert.Single(await _node.ListAsync()).Waiters.Count, waiters => waiters == 0);
    }

    [Fact]
    public async Task Without_a_host_a_job_learns_that_its_lock_was_broken()
    {
        using EngineUnderTest hostless = new(sharing: _node, node: "tool", listens: false);
        LockDecision.Run run = await hostless.DecideAsync<LockDecision.Run>(hostless.Execution(Deferring));
        await Eventually.IsTrueAsync(() => hostless.Store.IsListening);
        await _node.Locks.BreakAsync("x", run.Lease!.FencingToken);
        await Eventually.IsTrueAsync(() => run.Lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Without_a_host_a_deferral_because_the_store_is_unavailable_is_woken_by_a_release()
    {
        using EngineUnderTest hostless = new(sharing: _node, node: "tool", listens: false);
        LockDecision.Run run = await HoldAsync();
        hostless.Store.AcquireAlways = Breakage.Refused;
        await DeferAsync(hostless, "tool");
        hostless.Store.AcquireAlways = Breakage.None;
        await Eventually.IsTrueAsync(() => hostless.Store.IsListening);
        await PolledAtAsync(TimeSpan.FromSeconds(5.2));
        Assert.Single(Assert.Single(await _node.ListAsync()).Waiters);
        await run.EndAsync(null, aborted: false);
        await WokenAsync("tool");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_store_that_throws_when_it_is_subscribed_to_or_checked_still_wakes_this_process(bool whenListenedTo)
    {
        using EngineUnderTest odd = new(sharing: _node, node: "odd", listens: false);
        (whenListenedTo ? odd.Store.ListenFaults : odd.Store.CheckFaults).Enqueue(new InvalidOperationException("unexpected"));
        LockDecision.Run run = await HoldAsync();
        await DeferAsync(odd, "odd");
        await Eventually.IsTrueAsync(() => odd.LoggedIds.Contains(whenListenedTo ? EventIds.SubscribeFailed : EventIds.StoreCheckFailed));
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
            return odd.Store.IsListening;
        });

        await run.EndAsync(null, aborted: false);
        await WokenAsync("odd");
    }

    [Fact]
    public async Task A_recurring_job_that_is_deferred_behind_another_job_is_queued_as_well()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x"), job: "Other.Run"));
        LockExecution execution = _other.Execution(new TaskLockAttribute("x"), ExecutionOrigin.Recurring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(() => Wake("recurring"));
        Assert.Single(Assert.Single(await _node.ListAsync()).Waiters);
        await run.EndAsync(null, aborted: false);
        await WokenAsync("recurring");
    }

    [Fact]
    public async Task A_lock_that_is_kept_for_its_minimum_hold_wakes_the_next_at_its_end()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x") { MinHold = 20 }));
        await DeferAsync(_other, "first", taskLock: new TaskLockAttribute("x") { OnConflict = LockConflict.Defer, DeferBy = 600 });
        await run.EndAsync(null, aborted: false);
        await PolledAtAsync(TimeSpan.FromSeconds(19.9));
        Assert.Empty(_woken);
        await PolledAtAsync(TimeSpan.FromSeconds(0.2));
        await WokenAsync("first");
    }

    [Fact]
    public async Task A_host_that_has_stopped_wakes_no_deferral()
    {
        LockDecision.Run run = await HoldAsync();
        await DeferAsync(_other, "first");
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await DeferAsync(_node, "second");
        _other.Queue.Stop();
        await run.EndAsync(null, aborted: false);
        await WokenAsync("second");
    }

    [Fact]
    public async Task A_wake_up_for_later_is_declined_when_the_host_stops()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x") { MinHold = 20 }));
        await DeferAsync(_other, "first");
        int timers = _node.Time.Timers;
        await run.EndAsync(null, aborted: false);
        Assert.Equal(timers + 1, _node.Time.Timers);

        _other.Queue.Stop();
        await Eventually.SeesAsync(() => _node.Time.Timers, now => now == timers - 1);
        await Eventually.IsTrueAsync(() => _other.Store.Has("decline x"));
    }

    [Theory]
    [InlineData(ExecutionOrigin.OneOff, null)]
    [InlineData(ExecutionOrigin.Deferred, "1;1;1;0;1:an-earlier-waiter")]
    public async Task A_deferral_because_the_store_is_unavailable_that_is_not_stored_is_forgotten(ExecutionOrigin origin, string? state)
    {
        _node.Store.AcquireAlways = Breakage.Refused;
        WeakReference waiter = await UnstoredAsync(new TaskLockAttribute("x"), origin, DeferralState.Parse(state));
        _node.Store.AcquireAlways = Breakage.None;
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(60));
            GC.Collect();
            return !waiter.IsAlive;
        });
    }

    [Fact]
    public async Task A_certain_skip_is_decided_without_the_store()
    {
        TaskLockAttribute taskLock = new("x");
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock, ExecutionOrigin.Recurring));
        int calls = _node.Store.Calls.Count;
        LockPolicy policy = _node.Execution(taskLock).Policy;
        Assert.True(_node.Engine.CouldSkipLocally(policy, "x"));
        Assert.False(_node.Engine.CouldSkipLocally(policy, "y"));
        Assert.False(_node.Engine.CouldSkipLocally(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Defer }).Policy, "x"));
        Assert.False(_other.Engine.CouldSkipLocally(policy, "x"));
        Assert.NotNull(_node.Engine.SkipsLocally(_node.Execution(taskLock, ExecutionOrigin.Recurring)));
        Assert.Null(_node.Engine.SkipsLocally(_node.Execution(taskLock, ExecutionOrigin.OneOff)));
        Assert.Null(_node.Engine.SkipsLocally(_node.Execution(taskLock, ExecutionOrigin.Retry)));
        Assert.Null(_node.Engine.SkipsLocally(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Fail })));
        Assert.Null(_node.Engine.SkipsLocally(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Skip, Wait = 1 })));
        Assert.Null(_other.Engine.SkipsLocally(_other.Execution(taskLock, ExecutionOrigin.Recurring)));
        Assert.Equal(calls, _node.Store.Calls.Count);
        Assert.DoesNotContain(EventIds.Failed, _node.LoggedIds);
    }

    public void Dispose()
    {
        _other.Dispose();
        _node.Dispose();
    }

    /// <summary>
    /// An execution of the other node that was refused: something happens before it asks to be queued, and the answer to that request may
    /// be held back.
    /// </summary>
    private async Task<Task<LockDecision>> BetweenItsQuestionsAsync(
        TaskLockAttribute taskLock, ExecutionOrigin origin, Func<Task> happens, TaskCompletionSource? answer = null, CancellationToken cancellationToken = default)
    {
        TaskCompletionSource refused = new();
        _other.Store.HoldAcquire = refused;
        Task<LockDecision> asking = _other.Engine.DecideAsync(_other.Execution(taskLock, origin), cancellationToken).AsTask();
        await Eventually.SeesAsync(() => _other.Store.Asked.Count, asked => asked == 1);
        await happens();
        _other.Store.HoldAcquire = answer;
        refused.SetResult();
        return asking;
    }

    private Task<LockDecision.Run> HoldAsync() => _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring));

    private async Task<WeakReference> UnstoredAsync(TaskLockAttribute taskLock, ExecutionOrigin origin, DeferralState? state = null) =>
        new((await _node.DecideAsync<LockDecision.Defer>(_node.Execution(taskLock, origin, deferral: state))).Waiter);

    /// <summary>Without renewals, which could not keep up with the time that these tests let pass.</summary>
    private async Task HoldForDaysAsync() =>
        await _node.Memory.AcquireAsync(new AcquireRequest("x", "held", TimeSpan.FromDays(7), new LockHolder("app", "node-1", "Test", null, null, default)), CancellationToken.None);

    /// <summary>
    /// A holder takes the lock for 40 seconds and dies; after 15 seconds the deferral comes back on the other node, and is deferred again
    /// there.
    /// </summary>
    private async Task<DeferralState> DeferAndComeBackElsewhereAsync()
    {
        await _node.Memory.AcquireAsync(new AcquireRequest("x", "dead", TimeSpan.FromSeconds(40), new LockHolder("app", "dead", "Test", null, null, default)), CancellationToken.None);
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(EngineUnderTest.NeverWoken);
        await PolledAtAsync(TimeSpan.FromSeconds(15));
        return await DeferAsync(_node, "elsewhere", defer.State);
    }

    private async Task ReconnectAsync(EngineUnderTest node)
    {
        int polls = node.Store.Polls;
        node.Store.Tell(new LockNotification.Reconnected());
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await Eventually.IsTrueAsync(() => node.Store.Polls > polls);
    }

    private async Task<DeferralState> DeferAsync(EngineUnderTest node, string name, DeferralState? state = null, LockOccurrence? occurrence = null, TaskLockAttribute? taskLock = null)
    {
        LockExecution execution = node.Execution(taskLock ?? Deferring, state is null ? ExecutionOrigin.OneOff : ExecutionOrigin.Deferred, occurrence: occurrence, deferral: state);
        LockDecision.Defer defer = await node.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(() => Wake(name));
        return defer.State;
    }

    private ValueTask<bool> Wake(string name)
    {
        _woken.Enqueue(name);
        return new(true);
    }

    private async Task WokenAsync(params string[] names) => await Eventually.SeesAsync(() => string.Join(", ", _woken), woken => woken == string.Join(", ", names));

    /// <summary>Lets time pass, step by step, so that each poll that becomes due is over before the next.</summary>
    private async Task PolledAtAsync(TimeSpan time)
    {
        TimeSpan step = TimeSpan.FromMilliseconds(100);
        for (TimeSpan passed = TimeSpan.Zero; passed < time; passed += step)
        {
            _node.Time.Advance(step);
            await Task.Yield();
        }
    }
}
