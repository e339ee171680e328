using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;
using Breakage = JobLocking.Tests.Engine.UnreliableStore.Breakage;

namespace JobLocking.Tests.Waiting;

/// <summary>Waiting in place, for locks taken by hand and for jobs.</summary>
public sealed class WaitTests : IDisposable
{
    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public WaitTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Fact]
    public async Task A_waiter_gets_the_lock_as_soon_as_it_is_released_after_two_acquires_in_all()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        Assert.False(waiting.IsCompleted);

        await held.DisposeAsync();
        TaskLease lease = await waiting.WaitAsync(Eventually.DefaultTimeout);
        Assert.True(lease.FencingToken > held.FencingToken);
        Assert.Equal(2, _other.Store.Calls.Count);
        Assert.Empty(await QueuedAsync(0));
    }

    [Fact]
    public async Task The_oldest_waiter_of_all_processes_is_woken_first()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        List<Task<TaskLease>> waiting = [];
        for (int i = 0; i < 6; i++)
        {
            waiting.Add((i % 2 == 0 ? _node : _other).Locks.AcquireAsync("x").AsTask());
            await QueuedAsync(i + 1);
            _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        }

        foreach (Task<TaskLease> next in waiting)
        {
            await held.DisposeAsync();
            held = await next.WaitAsync(Eventually.DefaultTimeout);
            Assert.Single(await _node.ListAsync());
        }
    }

    [Fact]
    public async Task A_waiter_whose_answer_came_too_late_asks_again()
    {
        _node.Store.Connect = () =>
        {
            _node.Store.Connect = () => 0;
            _node.Time.Advance(TimeSpan.FromSeconds(61));
            return 0;
        };
        TaskLease lease = await _node.Locks.AcquireAsync("x", cancellationToken: CancellationToken.None).AsTask().WaitAsync(Eventually.DefaultTimeout);
        Assert.False(lease.IsLost());
        Assert.Equal(2, _node.Store.Asked.Select(asked => asked.LeaseId).Distinct().Count());

        // The first lease is released, which does not affect the second.
        await Eventually.IsTrueAsync(() => _node.Store.Has($"release x {_node.Store.Asked.First().LeaseId}"));
        Assert.Equal(lease.FencingToken, Assert.Single(await _node.ListAsync()).FencingToken);
    }

    [Fact]
    public async Task A_wait_ends_with_its_time_and_leaves_no_entry_behind()
    {
        await _node.Locks.TryAcquireAsync("x");
        Task<TaskLease?> waiting = _other.Locks.TryAcquireAsync("x", new TaskLockOptions { Wait = TimeSpan.FromSeconds(10) }).AsTask();
        await QueuedAsync(1);
        _node.Time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(waiting.IsCompleted);
        await QueuedAsync(1);

        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
            return waiting.IsCompleted;
        });
        Assert.Null(await waiting);
        await QueuedAsync(0);
    }

    [Fact]
    public async Task A_cancelled_waiter_declines_its_wake_up()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        using CancellationTokenSource cancelled = new();
        Task<TaskLease> first = _other.Locks.AcquireAsync("x", null, cancelled.Token).AsTask();
        await QueuedAsync(1);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> second = _node.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(2);

        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await QueuedAsync(1);
        await held.DisposeAsync();
        await second.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_woken_waiter_that_is_cancelled_while_it_asks_declines_its_wake_up()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        using CancellationTokenSource cancelled = new();
        Task<TaskLease> first = _other.Locks.AcquireAsync("x", null, cancelled.Token).AsTask();
        await QueuedAsync(1);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> second = _node.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(2);

        _other.Store.HoldAcquire = new TaskCompletionSource();
        await held.DisposeAsync();
        await Eventually.IsTrueAsync(() => _other.Store.Calls.Count >= 2);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await second.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_wake_up_for_a_waiter_that_has_gone_wakes_the_next()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        await _other.Memory.AcquireAsync(new AcquireRequest("x", "gone", TimeSpan.FromMinutes(1), held.Holder, Waiter: new WaiterEntry("ghost", TimeSpan.FromMinutes(1))), CancellationToken.None);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> waiting = _node.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(2);

        await held.DisposeAsync();
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_holder_that_died_is_noticed_when_its_lease_expires()
    {
        await DiesAsync(TimeSpan.FromSeconds(3));
        Task<TaskLease> waiting = _node.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        _node.Time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(waiting.IsCompleted);

        // The poll is due a little later, not in all processes at the same moment.
        _node.Time.Advance(TimeSpan.FromSeconds(0.3));
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task The_safety_poll_makes_up_for_a_lost_wake_up()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);

        await _other.GoesDeafAsync();
        await held.DisposeAsync();
        TaskLease newcomer = (await _node.Locks.TryAcquireAsync("x"))!;
        await QueuedAsync(0);
        _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        await QueuedAsync(1);

        await newcomer.DisposeAsync();
        Assert.False(waiting.IsCompleted);
        _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task All_locks_are_polled_when_the_connection_is_back()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        await _other.GoesDeafAsync();
        await held.DisposeAsync();
        Assert.False(waiting.IsCompleted);

        _other.Store.Tell(new LockNotification.Reconnected());
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task All_locks_are_polled_when_the_process_subscribes_late()
    {
        using EngineUnderTest late = new(sharing: _node, node: "late", listens: false);
        late.Store.ListenFaults.Enqueue(new LockStoreException("no answer", mayHaveBeenApplied: false));
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = late.Locks.AcquireAsync("x").AsTask();
        await Eventually.IsTrueAsync(() => late.LoggedIds.Contains(EventIds.SubscribeFailed));
        await QueuedAsync(1);
        await held.DisposeAsync();
        await QueuedAsync(0);

        DateTimeOffset told = _node.Time.GetUtcNow();
        await Eventually.IsTrueAsync(() =>
        {
            // Otherwise a poll comes after five seconds.
            if (_node.Time.GetUtcNow() - told < TimeSpan.FromSeconds(4))
            {
                _node.Time.Advance(TimeSpan.FromMilliseconds(100));
            }

            return waiting.IsCompleted;
        });
    }

    [Fact]
    public void A_process_that_lost_its_subscription_says_so_in_its_log()
    {
        _other.Store.Tell(new LockNotification.SubscriptionLost(new LockStoreException("refused", mayHaveBeenApplied: false)));
        Assert.Contains(EventIds.SubscriptionLost, _other.LoggedIds);
    }

    [Fact]
    public async Task A_break_wakes_a_waiter_as_a_release_does()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        Assert.True(await _other.Locks.BreakAsync("x", held.FencingToken));
        await waiting.WaitAsync(Eventually.DefaultTimeout);
        Assert.True(held.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_waiter_keeps_its_position_for_days()
    {
        await DiesAsync(TimeSpan.FromDays(7));
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        for (int minute = 0; minute < 60 * 60; minute++)
        {
            _node.Time.Advance(TimeSpan.FromMinutes(1));
        }

        await QueuedAsync(1);
        await _node.Memory.BreakAsync("x", (await _node.ListAsync()).Single().FencingToken!.Value, CancellationToken.None);
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task All_entries_that_the_store_has_lost_are_restored_in_their_order(bool isTold)
    {
        const int Waiters = 250;
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        List<Task<TaskLease>> waiting = [];
        for (int i = 0; i < Waiters; i++)
        {
            waiting.Add(_other.Locks.AcquireAsync("x").AsTask());
            await QueuedAsync(i + 1);
            _node.Time.Advance(TimeSpan.FromTicks(100));
        }

        // No process is notified of the releases until all entries are gone; each release drops at most a hundred entries.
        await _other.GoesDeafAsync();
        for (int i = 0; i < 3; i++)
        {
            await held.DisposeAsync();
            held = (await _node.Locks.TryAcquireAsync("x"))!;
        }

        await QueuedAsync(0);
        if (isTold)
        {
            _other.Store.Tell(new LockNotification.Reconnected());
            _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        }
        else
        {
            _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        }

        IReadOnlyList<LockWaiter> queued = await QueuedAsync(Waiters);
        Assert.Equal(queued.OrderBy(one => one.Since), queued);
        Assert.InRange(_other.Store.Calls.Count(call => call.StartsWith("poll", StringComparison.Ordinal)), 1, 4);
        await held.DisposeAsync();
    }

    [Fact]
    public async Task A_waiter_behind_a_smaller_limit_or_a_standby_of_the_same_process_is_polled_for_too()
    {
        TaskLockOptions three = new() { Limit = 3 };
        TaskLease first = (await _node.Locks.TryAcquireAsync("x", three))!;
        LockOccurrence occurrence = new("Job.Run", _node.Time.GetUtcNow(), IsRetry: false);
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x") { Limit = 3 }, ExecutionOrigin.Recurring, occurrence: occurrence));
        await _node.Memory.AcquireAsync(
            new AcquireRequest("x", "dead", TimeSpan.FromSeconds(3), first.Holder, Limit: 3), CancellationToken.None);

        LockExecution standby = _other.Execution(new TaskLockAttribute("x") { Limit = 3 }, ExecutionOrigin.Recurring, occurrence: occurrence);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(standby);
        defer.Stored(EngineUnderTest.NeverWoken);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> alone = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(2);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> third = _other.Locks.AcquireAsync("x", three).AsTask();
        await QueuedAsync(3);

        _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        await third.WaitAsync(Eventually.DefaultTimeout);
        Assert.False(alone.IsCompleted);
    }

    [Fact]
    public async Task A_wait_ends_with_one_more_acquire_since_not_every_client_wakes_waiters()
    {
        // As a foreign client does, or an operator with DEL: no process is notified.
        await DiesAsync(TimeSpan.FromSeconds(3.5));
        Task<TaskLease?> waiting = _other.Locks.TryAcquireAsync("x", new TaskLockOptions { Wait = TimeSpan.FromSeconds(3.501) }).AsTask();
        await QueuedAsync(1);
        _other.Store.HoldPoll = new TaskCompletionSource();
        _node.Time.Advance(TimeSpan.FromSeconds(4));
        Assert.NotNull(await waiting.WaitAsync(Eventually.DefaultTimeout));
    }

    [Fact]
    public async Task A_waiter_learns_that_the_store_is_out_of_reach()
    {
        await _node.Locks.TryAcquireAsync("x");
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        _other.Store.AcquireAlways = Breakage.RequestLost;
        _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => waiting.WaitAsync(Eventually.DefaultTimeout));
    }

    [Fact]
    public async Task No_wait_outlives_the_disposal_of_the_services()
    {
        await _node.Locks.TryAcquireAsync("x");
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        _other.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Eventually.DefaultTimeout));
    }

    [Fact]
    public async Task A_process_without_a_host_subscribes_at_its_first_wait()
    {
        using EngineUnderTest hostless = new(sharing: _node, node: "tool", listens: false);
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Assert.False(hostless.Store.IsListening);
        Task<TaskLease> waiting = hostless.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        await Eventually.IsTrueAsync(() => hostless.Store.IsListening);
        await held.DisposeAsync();
        await waiting.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_wait_fails_with_the_store_and_leaves_the_queue()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(1);
        _other.Store.AcquireAlways = Breakage.Refused;
        await held.DisposeAsync();
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => waiting);
        _other.Store.AcquireAlways = Breakage.None;
        Assert.NotNull(await _node.Locks.TryAcquireAsync("x"));
        await QueuedAsync(0);
    }

    [Fact]
    public async Task A_refusal_whose_answer_is_lost_leaves_no_entry_behind()
    {
        await _node.Locks.TryAcquireAsync("x");
        _other.Store.Acquire.Enqueue(Breakage.AnswerLost);
        _other.Store.Acquire.Enqueue(Breakage.AnswerLost);
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await _other.Locks.AcquireAsync("x"));
        await QueuedAsync(0);
    }

    [Fact]
    public async Task A_waiter_that_leaves_while_the_lock_is_polled_leaves_no_entry_behind()
    {
        await _node.Locks.TryAcquireAsync("x");
        using CancellationTokenSource cancelled = new();
        Task<TaskLease> waiting = _other.Locks.AcquireAsync("x", null, cancelled.Token).AsTask();
        await QueuedAsync(1);
        _other.Store.HoldPoll = new TaskCompletionSource();
        _node.Time.Advance(TimeSpan.FromSeconds(5.2));
        await Eventually.IsTrueAsync(() => _other.Store.Calls.Any(call => call.StartsWith("poll", StringComparison.Ordinal)));
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await QueuedAsync(0);

        // The poll queues a waiter that has left.
        int releases = _other.Store.Calls.Count;
        _other.Store.HoldPoll.SetResult();
        await Eventually.IsTrueAsync(() => _other.Store.Calls.Count > releases);
        await QueuedAsync(0);
    }

    [Fact]
    public async Task A_job_waits_in_place_before_OnConflict_applies()
    {
        TaskLockAttribute taskLock = new("x") { Wait = 10, OnConflict = LockConflict.Skip };
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock));
        Task<LockDecision> served = _other.Engine.DecideAsync(_other.Execution(taskLock), CancellationToken.None).AsTask();
        await QueuedAsync(1);
        await run.EndAsync(null, aborted: false);
        LockDecision.Run second = Assert.IsType<LockDecision.Run>(await served.WaitAsync(Eventually.DefaultTimeout));

        Task<LockDecision> skipped = _node.Engine.DecideAsync(_node.Execution(taskLock), CancellationToken.None).AsTask();
        await QueuedAsync(1);
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
            return skipped.IsCompleted;
        });
        Assert.IsType<LockDecision.Skip>(await skipped);
        await QueuedAsync(0);
        Assert.False(second.Lease!.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_wait_in_place_ends_when_the_scheduler_stops_and_the_wake_up_goes_to_the_next()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        using CancellationTokenSource stops = new();
        TaskLockAttribute taskLock = new("x") { Wait = 60, OnConflict = LockConflict.Defer };
        LockExecution execution = _other.Execution(taskLock) with { EndOfWait = stops.Token };
        Task<LockDecision> waiting = _other.Engine.DecideAsync(execution, CancellationToken.None).AsTask();
        await QueuedAsync(1);
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<TaskLease> next = _node.Locks.AcquireAsync("x").AsTask();
        await QueuedAsync(2);

        int calls = _other.Store.Calls.Count;
        await stops.CancelAsync();
        LockDecision.Defer defer = Assert.IsType<LockDecision.Defer>(await waiting.WaitAsync(Eventually.DefaultTimeout));
        Assert.Equal(calls, _other.Store.Calls.Count);
        defer.NotStored();
        await held.DisposeAsync();
        await next.WaitAsync(Eventually.DefaultTimeout);
        Assert.IsType<LockDecision.Defer>(await _other.Engine.DecideAsync(execution, CancellationToken.None).AsTask().WaitAsync(Eventually.DefaultTimeout));
    }

    [Fact]
    public async Task A_job_that_is_skipped_or_fails_without_waiting_costs_one_acquire_and_no_entry()
    {
        await _node.Locks.TryAcquireAsync("x");
        await _other.DecideAsync<LockDecision.Skip>(_other.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Skip }));
        await _other.DecideAsync<LockDecision.Fail>(_other.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Fail }));
        Assert.Equal(2, _other.Store.Calls.Count);
        Assert.Empty(await QueuedAsync(0));
    }

    [Fact]
    public async Task Many_waiters_of_several_processes_all_get_the_lock_with_one_wake_up_for_each_release()
    {
        const int Waiters = 40;
        using EngineUnderTest third = new(sharing: _node, node: "node-3");
        EngineUnderTest[] nodes = [_node, _other, third];
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        int inside = 0;
        int most = 0;
        List<Task> all = [];
        for (int i = 0; i < Waiters; i++)
        {
            all.Add(WorkAsync(nodes[i % nodes.Length]));
        }

        await QueuedAsync(Waiters);
        await held.DisposeAsync();
        await Task.WhenAll(all).WaitAsync(Eventually.DefaultTimeout);
        Assert.Equal(1, most);

        // One acquire that queued it, one after its wake-up, and its release.
        int acquires = nodes.Sum(node => node.Store.Calls.Count(call => call.StartsWith("acquire", StringComparison.Ordinal)));
        Assert.Equal(1 + (2 * Waiters), acquires);

        async Task WorkAsync(EngineUnderTest node)
        {
            await using TaskLease lease = await node.Locks.AcquireAsync("x");
            most = Math.Max(most, Interlocked.Increment(ref inside));
            await Task.Yield();
            Interlocked.Decrement(ref inside);
        }
    }

    public void Dispose()
    {
        _other.Dispose();
        _node.Dispose();
    }

    private async Task<IReadOnlyList<LockWaiter>> QueuedAsync(int count) =>
        await Eventually.SeesAsync(
            async () => (await _node.ListAsync()) is [var held, ..] ? held.Waiters : [], waiters => waiters.Count == count);

    /// <summary>A holder takes the lock and dies.</summary>
    private async Task DiesAsync(TimeSpan expiry) =>
        await _other.Memory.AcquireAsync(new AcquireRequest("x", "dead", expiry, new LockHolder("app", "dead", "Test", null, null, default)), CancellationToken.None);
}
