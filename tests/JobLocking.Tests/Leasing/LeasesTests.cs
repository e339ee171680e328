using JobLocking.Leasing;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;
using static JobLocking.Tests.Engine.UnreliableStore;

namespace JobLocking.Tests.Leasing;

public sealed class LeasesTests : IDisposable
{
    private readonly EngineUnderTest _node = new();

    [Fact]
    public async Task A_lock_taken_by_hand_excludes_others_until_it_is_released()
    {
        await using (TaskLease? first = await AcquireAsync())
        {
            Assert.NotNull(first);
            Assert.Null(await AcquireAsync());
        }

        await using TaskLease? second = await AcquireAsync();
        Assert.NotNull(second);
    }

    [Fact]
    public async Task An_acquire_whose_answer_was_lost_recognises_its_own_lease_on_retry()
    {
        _node.Store.Acquire.Enqueue(Breakage.AnswerLost);
        await using TaskLease? lease = await AcquireAsync();
        Assert.NotNull(lease);
        Assert.Equal(lease.FencingToken, Assert.Single(await _node.ListAsync()).FencingToken);
        Assert.Single(_node.Store.Calls.Distinct());
    }

    [Fact]
    public async Task The_hold_does_not_include_the_time_of_an_attempt_that_was_lost()
    {
        TaskCompletionSource patience = new();
        (_node.Store.HoldAcquire, TaskLockOptions bounded) = (patience, new() { Expire = TimeSpan.FromSeconds(10), MaxHold = TimeSpan.FromSeconds(20), MinHold = TimeSpan.FromSeconds(5) });
        _node.Store.Acquire.Enqueue(Breakage.RequestLost);
        Task<TaskLease?> acquiring = AcquireAsync(bounded);
        _node.Time.Advance(TimeSpan.FromSeconds(25));
        patience.SetResult();

        TaskLease lease = (await acquiring)!;
        await lease.ExtendAsync(TimeSpan.FromSeconds(19));
        await lease.DisposeAsync();
        Assert.True(Assert.Single(await _node.ListAsync()).IsKept);
    }

    [Fact]
    public async Task An_acquire_that_is_never_answered_is_unavailable_and_leaves_no_orphan()
    {
        _node.Store.AcquireAlways = Breakage.AnswerLost;
        TaskLockUnavailableException error = await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await AcquireAsync());
        Assert.Equal("x", error.LockName);
        await Eventually.IsTrueAsync(async () => (await _node.ListAsync()).Count == 0);
    }

    [Fact]
    public async Task The_compensation_is_repeated_until_it_is_answered()
    {
        _node.Store.AcquireAlways = Breakage.AnswerLost;
        _node.Store.ReleaseAlways = Breakage.RequestLost;
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await AcquireAsync());
        _node.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(await _node.ListAsync());

        _node.Store.ReleaseAlways = Breakage.None;
        await Eventually.IsTrueAsync(async () =>
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(100));
            return (await _node.ListAsync()).Count == 0;
        });
        await _node.Background.DrainAsync(CancellationToken.None).WaitAsync(Eventually.DefaultTimeout, CancellationToken.None);
        Assert.True(_node.Time.GetUtcNow() < new DateTimeOffset(2026, 1, 1, 0, 0, 59, TimeSpan.Zero), "it ended by its expiry, not by the compensation");
    }

    [Fact]
    public async Task A_release_is_not_repeated_after_the_container_was_disposed()
    {
        BackgroundWork background = _node.Background;
        _node.Store.ReleaseAlways = Breakage.RequestLost;
        await (await AcquireAsync())!.DisposeAsync();
        TaskLease outlives = (await _node.Locks.TryAcquireAsync("y"))!;
        _node.Dispose();
        await background.DrainAsync(CancellationToken.None).WaitAsync(Eventually.DefaultTimeout, CancellationToken.None);

        await outlives.DisposeAsync();
        await background.DrainAsync(CancellationToken.None).WaitAsync(Eventually.DefaultTimeout, CancellationToken.None);
        await Eventually.SeesAsync(() => _node.Time.Timers, timers => timers == 0);
    }

    [Fact]
    public async Task An_acquire_that_certainly_failed_is_not_sent_again()
    {
        _node.Store.AcquireAlways = Breakage.Refused;
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await AcquireAsync());
        Assert.Single(_node.Store.Calls);
    }

    [Fact]
    public async Task An_answer_that_took_longer_than_the_expiry_gives_no_lease()
    {
        _node.Store.HoldAcquire = new TaskCompletionSource();
        Task<TaskLease?> asking = AcquireAsync();
        _node.Time.Advance(TimeSpan.FromSeconds(60));
        _node.Store.HoldAcquire.SetResult();
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => asking);
    }

    [Fact]
    public async Task A_caller_that_blocks_the_only_thread_of_its_scheduler_can_extend_a_lease()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.AnsweredLate.Add(lease.Name);
        Task extended = Task.Factory.StartNew(
            () => lease.ExtendAsync(TimeSpan.FromSeconds(600)).AsTask().Wait(Eventually.DefaultTimeout),
            CancellationToken.None,
            TaskCreationOptions.None,
            new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler);
        await Eventually.IsTrueAsync(() => _node.Store.Has("renew 1"));
        _node.Store.HoldRenew.SetResult();
        Assert.True(await (Task<bool>)extended);
    }

    [Fact]
    public async Task Connecting_does_not_count_against_the_lease()
    {
        _node.Store.Connect = () =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(90));
            return _node.Time.GetTimestamp();
        };
        TaskLease lease = (await AcquireAsync())!;
        Assert.Equal(60 - 0.6 - 0.002, (lease.ExpiresAt - _node.Time.GetUtcNow()).TotalSeconds, 0.001);
    }

    [Fact]
    public async Task The_deadline_is_counted_from_before_the_request_was_sent()
    {
        _node.Store.HoldAcquire = new TaskCompletionSource();
        Task<TaskLease?> asking = AcquireAsync();
        _node.Time.Advance(TimeSpan.FromSeconds(10));
        _node.Store.HoldAcquire.SetResult();
        TaskLease lease = (await asking)!;
        Assert.Equal(60 - 10 - 0.6 - 0.002, (lease.ExpiresAt - _node.Time.GetUtcNow()).TotalSeconds, 0.001);
    }

    [Fact]
    public async Task The_deadline_is_counted_from_before_the_extension_was_sent()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.OnRenew = () =>
        {
            _node.Store.OnRenew = null;
            _node.Time.Advance(TimeSpan.FromSeconds(10));
        };
        await lease.ExtendAsync(TimeSpan.FromSeconds(600));
        Assert.Equal(600 - 10 - 6 - 0.002, (lease.ExpiresAt - _node.Time.GetUtcNow()).TotalSeconds, 0.001);
    }

    [Fact]
    public async Task A_lease_is_released_when_its_disposal_is_over_and_not_before()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.HoldRelease = new TaskCompletionSource();
        Task disposing = lease.DisposeAsync().AsTask();
        Assert.False(disposing.IsCompleted);

        _node.Store.HoldRelease.SetResult();
        await disposing.WaitAsync(Eventually.DefaultTimeout);
        Assert.Empty(await _node.ListAsync());
    }

    [Fact]
    public async Task A_release_that_fails_is_repeated_in_the_background_and_causes_a_warning()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.Release.Enqueue(Breakage.RequestLost);
        _node.Store.Release.Enqueue(Breakage.RequestLost);
        await lease.DisposeAsync();
        Assert.Contains(EventIds.ReleaseFailed, _node.LoggedIds);
        await Eventually.IsTrueAsync(async () =>
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(50));
            return (await _node.ListAsync()).Count == 0;
        });
    }

    [Fact]
    public async Task A_repeated_release_keeps_the_lock_for_what_is_left_of_the_minimum_hold()
    {
        TaskLease lease = (await AcquireAsync(new TaskLockOptions { MinHold = TimeSpan.FromSeconds(40) }))!;
        _node.Store.Release.Enqueue(Breakage.RequestLost);
        await lease.DisposeAsync();
        await Eventually.IsTrueAsync(async () =>
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
            return (await _node.ListAsync()) is [{ IsKept: true }];
        });
        HeldLock kept = Assert.Single(await _node.ListAsync());
        DateTimeOffset end = new DateTimeOffset(2026, 1, 1, 0, 0, 40, TimeSpan.Zero);
        Assert.InRange(_node.Time.GetUtcNow() + kept.TimeLeft!.Value, end, end.AddSeconds(1));
    }

    [Fact]
    public async Task A_release_of_an_extended_lease_is_repeated_until_the_extension_has_ended()
    {
        TaskLease lease = (await AcquireAsync())!;
        await lease.ExtendAsync(TimeSpan.FromMinutes(10));
        _node.Store.ReleaseAlways = Breakage.RequestLost;
        await lease.DisposeAsync();
        for (int i = 0; i < 300; i++)
        {
            _node.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.DoesNotContain(EventIds.ReleaseGivenUp, _node.LoggedIds);
        _node.Store.ReleaseAlways = Breakage.None;
        await Eventually.IsTrueAsync(async () =>
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(100));
            return (await _node.ListAsync()).Count == 0;
        });
    }

    [Fact]
    public async Task Extending_for_months_is_refused_and_breaks_no_timer()
    {
        TaskLease lease = (await AcquireAsync())!;
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await lease.ExtendAsync(TimeSpan.FromDays(60)));
    }

    [Fact]
    public async Task Extending_a_lost_or_released_lease_says_so_before_anything_else()
    {
        TaskLockOptions bounded = new() { MaxHold = TimeSpan.FromSeconds(60) };
        TaskLease lost = (await AcquireAsync(bounded))!;
        lost.Lose(LeaseLoss.Taken);
        await Assert.ThrowsAsync<TaskLockLostException>(async () => await lost.ExtendAsync(TimeSpan.FromSeconds(100)));
        await lost.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await lost.ExtendAsync(TimeSpan.FromSeconds(100)));
    }

    [Fact]
    public async Task A_release_whose_answer_was_lost_counts_as_released()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.Release.Enqueue(Breakage.AnswerLost);
        await lease.DisposeAsync();
        Assert.Empty(await _node.ListAsync());
        Assert.DoesNotContain(EventIds.ReleasedTooLate, _node.LoggedIds);
    }

    [Fact]
    public async Task Disposing_twice_releases_once()
    {
        TaskLease lease = (await AcquireAsync())!;
        await lease.DisposeAsync();
        await lease.DisposeAsync();
        Assert.Single(_node.Store.Calls, c => c.StartsWith("release", StringComparison.Ordinal));
        Assert.Throws<ObjectDisposedException>(lease.ThrowIfLost);
    }

    [Fact]
    public async Task A_lease_that_was_taken_by_another_holder_sends_no_release()
    {
        TaskLease lease = (await AcquireAsync())!;
        lease.Lose(LeaseLoss.Taken);
        await lease.DisposeAsync();
        Assert.DoesNotContain(_node.Store.Calls, c => c.StartsWith("release", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Extending_moves_the_deadline_and_renewal_never_shortens_it()
    {
        TaskLease lease = (await AcquireAsync())!;
        await lease.ExtendAsync(TimeSpan.FromSeconds(600), CancellationToken.None);
        DateTimeOffset extended = lease.ExpiresAt;
        Assert.Equal(600 - 6 - 0.002, (extended - _node.Time.GetUtcNow()).TotalSeconds, 0.001);

        _node.Time.Advance(TimeSpan.FromSeconds(20));
        await Eventually.IsTrueAsync(() => _node.Store.Calls.Count(c => c == "renew 1") == 2);
        await Eventually.IsTrueAsync(() => !lease.Held.IsRenewing);
        Assert.Equal(extended, lease.ExpiresAt);
        Assert.Equal(580, Assert.Single(await _node.ListAsync()).TimeLeft!.Value.TotalSeconds, 0.001);
    }

    [Fact]
    public async Task Extending_a_lease_that_is_gone_says_so()
    {
        TaskLease lease = (await AcquireAsync())!;
        await _node.Memory.BreakAsync("x", lease.FencingToken, CancellationToken.None);
        await Assert.ThrowsAsync<TaskLockLostException>(async () => await lease.ExtendAsync(TimeSpan.FromSeconds(5)));
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Extending_fails_clearly_while_the_store_is_unavailable_and_beyond_MaxHold()
    {
        TaskLease lease = (await AcquireAsync(new TaskLockOptions { MaxHold = TimeSpan.FromSeconds(90) }))!;
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await lease.ExtendAsync(TimeSpan.FromSeconds(91)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await lease.ExtendAsync(TimeSpan.Zero));
        _node.Store.RenewAlways = Breakage.RequestLost;
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await lease.ExtendAsync(TimeSpan.FromSeconds(80)));
        Assert.False(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_stopping_host_waits_for_releases_but_not_forever()
    {
        TaskLease lease = (await AcquireAsync())!;
        _node.Store.ReleaseAlways = Breakage.RequestLost;
        await lease.DisposeAsync();
        Task draining = _node.Background.DrainAsync(CancellationToken.None);
        Assert.False(draining.IsCompleted);
        _node.Time.Advance(TimeSpan.FromSeconds(2));
        await draining.WaitAsync(Eventually.DefaultTimeout);
        Assert.Contains(EventIds.NotDrained, _node.LoggedIds);
    }

    [Theory]
    [InlineData(0.05, 0, 0, "Expire")]
    [InlineData(604801, 0, 0, "Expire")]
    [InlineData(60, 59, 0, "MaxHold")]
    [InlineData(60, -1, 0, "MaxHold")]
    [InlineData(60, 0, 61, "MinHold")]
    [InlineData(60, 0, -1, "MinHold")]
    public async Task Bad_options_are_refused(double expire, double maxHold, double minHold, string property)
    {
        TaskLockOptions bad = new() { Expire = TimeSpan.FromSeconds(expire), MaxHold = TimeSpan.FromSeconds(maxHold), MinHold = TimeSpan.FromSeconds(minHold) };
        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => AcquireAsync(bad));
        Assert.Contains(property + " is", error.Message, StringComparison.Ordinal);
        Assert.Empty(_node.Store.Calls);
    }

    [Fact]
    public async Task Breaking_ends_the_lease_with_that_token_and_never_its_successor()
    {
        TaskLease lease = (await AcquireAsync())!;
        Assert.False(await _node.Locks.BreakAsync("x", lease.FencingToken - 1, CancellationToken.None));
        Assert.True(await _node.Locks.BreakAsync("x", lease.FencingToken, CancellationToken.None));
        Assert.Contains(EventIds.Broken, _node.LoggedIds);
        Assert.Equal(LeaseLoss.Broken, lease.Loss);

        TaskLease successor = (await AcquireAsync())!;
        Assert.True(successor.FencingToken > lease.FencingToken);
        Assert.False(await _node.Locks.BreakAsync("x", lease.FencingToken, CancellationToken.None));
    }

    [Fact]
    public async Task The_holder_of_a_broken_lease_is_notified_at_once()
    {
        TaskLease lease = (await AcquireAsync())!;
        await _node.Memory.BreakAsync("x", lease.FencingToken, CancellationToken.None);
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    public void Dispose() => _node.Dispose();

    private Task<TaskLease?> AcquireAsync(TaskLockOptions? options = null) =>
        _node.Locks.TryAcquireAsync("x", options, CancellationToken.None).AsTask();
}
