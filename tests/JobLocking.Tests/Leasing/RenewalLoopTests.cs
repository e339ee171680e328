using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static JobLocking.Tests.Engine.UnreliableStore;

namespace JobLocking.Tests.Leasing;

public sealed class RenewalLoopTests : IDisposable
{
    private readonly EngineUnderTest _node = new();
    private readonly List<TaskLease> _leases = [];

    [Fact]
    public async Task A_lease_is_renewed_at_a_third_of_its_expiry_and_outlives_it()
    {
        TaskLease lease = await AcquireAsync("x");
        Advance(19.9);
        Assert.Equal(0, Renewals);
        await AdvanceAndRenewAsync(0.1);
        Assert.Equal(1, Renewals);

        for (int i = 0; i < 9; i++)
        {
            await AdvanceAndRenewAsync(20);
        }

        Assert.Equal(10, Renewals);
        Assert.False(lease.IsLost());
        Assert.Single(await _node.ListAsync());
    }

    [Fact]
    public async Task The_leases_that_are_due_together_are_renewed_in_one_call()
    {
        for (int i = 0; i < 7; i++)
        {
            await AcquireAsync($"x{i}");
        }

        await AdvanceAndRenewAsync(20);
        Assert.Contains("renew 7", _node.Store.Calls);
        Assert.Equal(1, Renewals);
    }

    [Fact]
    public async Task However_many_leases_there_are_they_have_one_timer()
    {
        await AcquireAsync("x");
        int timers = _node.Time.Timers;
        for (int i = 0; i < 1000; i++)
        {
            await AcquireAsync($"x{i}");
        }

        Assert.Equal(timers, _node.Time.Timers);
        await AdvanceAndRenewAsync(20);
        Assert.Equal(timers, _node.Time.Timers);
        Assert.Contains("renew 1001", _node.Store.Calls);
    }

    [Fact]
    public async Task Leases_that_were_taken_one_after_the_other_are_renewed_together_from_then_on()
    {
        for (int i = 0; i < 6; i++)
        {
            await AcquireAsync($"x{i}");
            Advance(1);
        }

        await AdvanceAndRenewAsync(14);
        await AdvanceAndRenewAsync(20);
        Assert.Equal(["renew 6", "renew 6"], _node.Store.Calls.Where(c => c.StartsWith("renew", StringComparison.Ordinal)));
        Assert.All(_leases, lease => Assert.False(lease.IsLost()));
    }

    [Fact]
    public async Task A_lease_at_its_MaxHold_is_not_renewed_together_with_others()
    {
        TaskLease bounded = await AcquireAsync("bounded", new TaskLockOptions { Expire = TimeSpan.FromSeconds(21), MaxHold = TimeSpan.FromSeconds(21) });
        await AcquireAsync("x");
        await AdvanceAndRenewAsync(20);
        Assert.Contains("renew 1", _node.Store.Calls);
        Advance(1);
        Assert.True(bounded.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Each_lease_that_is_renewed_in_one_call_has_its_own_answer_and_its_own_expiry()
    {
        TaskLease longer = await AcquireAsync("longer");
        TaskLease taken = await AcquireAsync("taken");
        TaskLease shorter = await AcquireAsync("shorter", new TaskLockOptions { Expire = TimeSpan.FromSeconds(57) });
        TaskLease failed = await AcquireAsync("failed");
        TaskLease gone = await AcquireAsync("gone");
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("taken", taken.FencingToken, CancellationToken.None);
        await _node.Memory.BreakAsync("gone", gone.FencingToken, CancellationToken.None);
        using EngineUnderTest other = new(sharing: _node, node: "node-2");
        Assert.NotNull(await other.Locks.TryAcquireAsync("taken"));
        _node.Store.NotRenewed.Add("failed");

        await AdvanceAndRenewAsync(19);
        Assert.Equal(["renew 5"], _node.Store.Calls.Where(c => c.StartsWith("renew", StringComparison.Ordinal)));
        await Eventually.IsTrueAsync(() => taken.Lost.IsCancellationRequested && gone.Lost.IsCancellationRequested);
        Assert.Equal([null, LeaseLoss.Taken, null, null, LeaseLoss.Gone], _leases.Select(lease => lease.Loss));
        Assert.Equal([60, 57, 60 - 19], new[] { longer, shorter, failed }.Select(lease => Math.Ceiling((lease.ExpiresAt - _node.Time.GetUtcNow()).TotalSeconds)));

        // Only the failed renewal is retried soon.
        await AdvanceAndRenewAsync(1);
        Assert.Equal(1, _node.Store.Calls.Count(c => c == "renew 1"));
    }

    [Fact]
    public async Task The_deadline_is_counted_from_before_the_renewal_was_sent()
    {
        TaskLease lease = await AcquireAsync("x");
        _node.Store.OnRenew = () =>
        {
            _node.Store.OnRenew = null;
            Advance(10);
        };
        await AdvanceAndRenewAsync(20);
        Assert.Equal(60 - 10 - 0.6 - 0.002, (lease.ExpiresAt - _node.Time.GetUtcNow()).TotalSeconds, 0.001);
    }

    [Fact]
    public async Task A_transient_failure_is_retried_and_the_lease_is_lost_no_later_than_its_deadline()
    {
        TaskLease lease = await AcquireAsync("x");
        _node.Store.RenewAlways = Breakage.RequestLost;
        await AdvanceAndRenewAsync(20);
        await AdvanceAndRenewAsync(1);
        Assert.Equal(2, Renewals);
        await Eventually.IsTrueAsync(() => _node.LoggedIds.Contains(EventIds.RenewalFailed));

        await AdvanceAndRenewAsync(38.39);
        Assert.False(lease.Lost.IsCancellationRequested);
        Advance(0.01);
        Assert.True(lease.Lost.IsCancellationRequested);
        TaskLockLostException error = Assert.Throws<TaskLockLostException>(lease.ThrowIfLost);
        Assert.Contains("could not be renewed", error.Message, StringComparison.Ordinal);
        await Eventually.IsTrueAsync(() => _node.LoggedIds.Contains(EventIds.LeaseLost));
    }

    [Fact]
    public async Task A_transient_failure_shorter_than_the_lease_loses_nothing()
    {
        TaskLease lease = await AcquireAsync("x");
        _node.Store.RenewAlways = Breakage.RequestLost;
        await AdvanceAndRenewAsync(20);
        Advance(30);
        _node.Store.RenewAlways = Breakage.None;
        await Eventually.IsTrueAsync(async () =>
        {
            Advance(1);
            await Task.Yield();
            return lease.ExpiresAt > _node.Time.GetUtcNow().AddSeconds(40) || lease.IsLost();
        });
        Assert.False(lease.IsLost());
    }

    [Fact]
    public async Task A_renewal_without_an_answer_does_not_delay_the_loss_of_the_lease()
    {
        TaskLease lease = await AcquireAsync("x");
        _node.Store.RenewAlways = Breakage.AnswerLost;
        await AdvanceAndRenewAsync(20);
        _node.Store.RenewAlways = Breakage.RequestLost;
        Advance(40);
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task A_lease_whose_answer_has_arrived_does_not_wait_for_the_answers_of_others()
    {
        TaskLease answered = await AcquireAsync("answered");
        TaskLease late = await AcquireAsync("late");
        _node.Store.AnsweredLate.Add("late");
        Advance(20);
        await Eventually.IsTrueAsync(() => !answered.Held.IsRenewing);
        Assert.True(late.Held.IsRenewing);

        Advance(20);
        await Eventually.IsTrueAsync(() => Renewals == 2 && !answered.Held.IsRenewing);
        Assert.Equal(["renew 2", "renew 1"], _node.Store.Calls.Where(c => c.StartsWith("renew", StringComparison.Ordinal)));
        Advance(19);
        _node.Store.HoldRenew.SetResult();
        await Eventually.IsTrueAsync(() => !late.Held.IsRenewing);
        Advance(0.39);
        Assert.All(_leases, lease => Assert.False(lease.IsLost()));
    }

    [Fact]
    public async Task When_leases_end_together_all_holders_know_before_the_first_loss_is_logged()
    {
        for (int i = 0; i < 5; i++)
        {
            await AcquireAsync($"x{i}");
        }

        List<int> told = [];
        _node.OnLogged = _ => told.Add(_leases.Count(lease => lease.Lost.IsCancellationRequested));
        _node.Store.RenewAlways = Breakage.RequestLost;
        Advance(60);
        Assert.Equal(5, told.Count(count => count == 5));
    }

    [Fact]
    public async Task A_log_that_throws_on_a_loss_does_not_stop_the_loop()
    {
        await AcquireAsync("x", new TaskLockOptions { Expire = TimeSpan.FromSeconds(20), MaxHold = TimeSpan.FromSeconds(20) });
        await AcquireAsync("y");
        _node.OnLogged = _ => throw new InvalidOperationException("log");
        await AdvanceAndRenewAsync(20);
        Assert.Equal([true, false], _leases.Select(lease => lease.Lost.IsCancellationRequested));
    }

    [Fact]
    public async Task More_than_2000_leases_are_renewed_in_several_calls()
    {
        for (int i = 0; i < 4001; i++)
        {
            await AcquireAsync($"x{i}");
        }

        Advance(20);
        await Eventually.IsTrueAsync(() => Renewals == 3 && _leases.TrueForAll(lease => !lease.Held.IsRenewing));
        Assert.Equal(2, _node.Store.Calls.Count(c => c == "renew 2000"));
        Advance(40);
        Assert.All(_leases, lease => Assert.False(lease.IsLost()));
    }

    [Fact]
    public async Task A_slow_log_of_a_failed_renewal_delays_no_retry()
    {
        await AcquireAsync("x");
        _node.Store.RenewAlways = Breakage.RequestLost;
        using ManualResetEventSlim isWritten = new();
        _node.OnLogged = line =>
        {
            if (line.Contains("could not be renewed", StringComparison.Ordinal))
            {
                isWritten.Wait();
            }
        };
        try
        {
            Advance(20);
            await Eventually.IsTrueAsync(() => Renewals == 1);
            await Eventually.IsTrueAsync(() =>
            {
                Advance(0.1);
                return Renewals > 1;
            });
        }
        finally
        {
            isWritten.Set();
        }
    }

    [Fact]
    public async Task A_slow_log_of_a_loss_delays_no_renewal()
    {
        // Both at the same moment: one lease is at its end, less the drift of the clocks, the other at a third of its expiry.
        await AcquireAsync("bounded", new TaskLockOptions { Expire = TimeSpan.FromSeconds(20), MaxHold = TimeSpan.FromSeconds(20) });
        await AcquireAsync("x", new TaskLockOptions { Expire = (TimeSpan.FromSeconds(20) - LeaseTimes.Drift(TimeSpan.FromSeconds(20))) * 3 });
        using ManualResetEventSlim isWritten = new();
        TaskCompletionSource isTold = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _node.OnLogged = _ =>
        {
            isTold.TrySetResult();
            isWritten.Wait();
        };
        Task passing = Task.Run(() => Advance(20));
        try
        {
            await isTold.Task.WaitAsync(Eventually.DefaultTimeout);
            await Eventually.IsTrueAsync(() => Renewals == 1);
        }
        finally
        {
            isWritten.Set();
            await passing;
        }
    }

    [Fact]
    public async Task A_missing_lease_is_lost_at_once_and_not_re_created()
    {
        TaskLease lease = await AcquireAsync("x");
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("x", lease.FencingToken, CancellationToken.None);
        Advance(20);
        await Eventually.IsTrueAsync(() => lease.Lost.IsCancellationRequested);
        Assert.Equal(LeaseLoss.Gone, lease.Loss);
        Assert.Empty(await _node.ListAsync());
    }

    [Fact]
    public async Task A_lease_that_another_holder_has_taken_is_lost_at_once()
    {
        TaskLease lease = await AcquireAsync("x");
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("x", lease.FencingToken, CancellationToken.None);
        using EngineUnderTest other = new(sharing: _node, node: "node-2");
        Assert.NotNull(await other.Locks.TryAcquireAsync("x"));
        Advance(20);
        await Eventually.IsTrueAsync(() => lease.Lost.IsCancellationRequested);
        Assert.Equal(LeaseLoss.Taken, lease.Loss);
    }

    [Fact]
    public async Task MaxHold_clamps_the_last_renewal_and_ends_in_loss()
    {
        TaskLease lease = await AcquireAsync("x", new TaskLockOptions { MaxHold = TimeSpan.FromSeconds(90) });
        await AdvanceAndRenewAsync(20);
        await AdvanceAndRenewAsync(20);
        Assert.Equal(50, Assert.Single(await _node.ListAsync()).TimeLeft!.Value.TotalSeconds, 0.001);
        Advance(49);
        Assert.False(lease.IsLost());
        Advance(0.99);
        Assert.True(lease.Lost.IsCancellationRequested);
        Assert.Contains("MaxHold of 90 seconds", Assert.Throws<TaskLockLostException>(lease.ThrowIfLost).Message, StringComparison.Ordinal);
        Advance(1);
        Assert.Empty(await _node.ListAsync());
        Assert.Equal(2, Renewals);
    }

    [Fact]
    public async Task MaxHold_equal_to_Expire_is_never_renewed()
    {
        TaskLease lease = await AcquireAsync("x", new TaskLockOptions { MaxHold = TimeSpan.FromSeconds(60) });
        Advance(59);
        Assert.Equal(0, Renewals);
        Assert.False(lease.IsLost());
        Advance(1);
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task All_leases_are_renewed_as_soon_as_the_connection_is_back()
    {
        await AcquireAsync("x");
        await AcquireAsync("y");
        Advance(3);
        _node.Store.Tell(new LockNotification.Reconnected());
        Advance(0.002);
        await Eventually.IsTrueAsync(() => _node.Store.Calls.Contains("renew 2"));
    }

    [Fact]
    public async Task Nothing_is_renewed_after_a_release()
    {
        TaskLease released = await AcquireAsync("x");
        await AcquireAsync("y");
        await released.DisposeAsync();

        // The renewal of the other lease shows when that of the first would have been sent.
        await AdvanceAndRenewAsync(20);
        Assert.Contains("renew 1", _node.Store.Calls);
        Assert.DoesNotContain("renew 2", _node.Store.Calls);
    }

    [Fact]
    public async Task A_job_that_outlives_the_container_still_learns_of_the_loss()
    {
        TaskLease lease = await AcquireAsync("x");
        _node.Dispose();
        _node.Store.RenewAlways = Breakage.Refused;
        Advance(60);
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task The_loop_does_not_run_in_the_context_of_the_first_job()
    {
        // A real clock: only its timers flow the execution context of the code that created them.
        AsyncLocal<string?> ofTheJob = new();
        TaskCompletionSource<string?> seen = new();
        UnreliableStore store = new(new InMemoryLockStore(TimeProvider.System)) { OnRenew = () => seen.TrySetResult(ofTheJob.Value) };
        using MetricsReporter metrics = new(null);
        using BackgroundWork background = new(TimeProvider.System, NullLogger.Instance);
        HeldLeases held = new(background, metrics, TimeProvider.System, NullLogger.Instance);
        StoreGate gate = new(store, TimeProvider.System, NullLogger.Instance);
        using RenewalLoop loop = new(store, gate, held, background, metrics, TimeProvider.System, NullLogger.Instance);
        Leases leases = new(store, gate, held, loop, background, metrics, TimeProvider.System, NullLogger.Instance);

        ofTheJob.Value = "job";
        LeaseTerms terms = new(TimeSpan.FromMilliseconds(300), TimeSpan.Zero, TimeSpan.Zero);
        LockHolder holder = new("app", "node", "Test", null, null, default);
        (_, HeldLease? lease) = await leases.AcquireAsync(new LeaseRequest("x", "x", terms, holder), entry: null, CancellationToken.None);
        Assert.Null(await seen.Task.WaitAsync(Eventually.DefaultTimeout));
        await leases.EndAsync(lease!, keep: true, occurrence: null);
    }

    [Fact]
    public async Task A_callback_on_a_loss_that_throws_is_logged_and_harms_no_other_lease()
    {
        TaskLease first = await AcquireAsync("x");
        TaskLease second = await AcquireAsync("y");
        first.Lost.Register(() => throw new InvalidOperationException("callback"));
        _node.Store.RenewAlways = Breakage.RequestLost;
        Advance(60);
        Assert.True(first.Lost.IsCancellationRequested);
        Assert.True(second.Lost.IsCancellationRequested);
        await Eventually.IsTrueAsync(() => _node.LoggedIds.Contains(EventIds.LostCallbackFailed));
    }

    [Fact]
    public async Task A_holder_that_was_frozen_finds_its_lease_lost_when_it_resumes()
    {
        TaskLease lease = await AcquireAsync("x");

        // The clock advanced while nothing of the process ran, so not even the timer has fired.
        _node.Time.TimersAreFrozen = true;
        Advance(61);
        Assert.False(lease.Lost.IsCancellationRequested);
        Assert.Throws<TaskLockLostException>(lease.ThrowIfLost);
        Assert.True(lease.Lost.IsCancellationRequested);
    }

    public void Dispose() => _node.Dispose();

    [Fact]
    public async Task The_timer_ends_with_the_container_or_with_the_last_lease_after_it()
    {
        TaskLease lease = await AcquireAsync("x");
        await lease.DisposeAsync();
        TaskLease outlives = await AcquireAsync("y");
        _node.Dispose();
        await Eventually.SeesAsync(() => _node.Time.Timers, timers => timers == 1);
        await outlives.DisposeAsync();
        Assert.Equal(0, _node.Time.Timers);

        await AcquireAsync("z");
        _node.Store.RenewAlways = Breakage.Refused;
        Advance(60);
        await Eventually.SeesAsync(() => _node.Time.Timers, timers => timers == 0);
    }

    private int Renewals
    {
        get
        {
            lock (_node.Store.Calls)
            {
                return _node.Store.Calls.Count(c => c.StartsWith("renew", StringComparison.Ordinal));
            }
        }
    }

    private async Task<TaskLease> AcquireAsync(string name, TaskLockOptions? options = null)
    {
        TaskLease lease = (await _node.Locks.TryAcquireAsync(name, options, CancellationToken.None))!;
        _leases.Add(lease);
        return lease;
    }

    private void Advance(double seconds) => _node.Time.Advance(TimeSpan.FromSeconds(seconds));

    /// <summary>Lets time pass and waits for the renewal that becomes due; its answer comes on another thread.</summary>
    private async Task AdvanceAndRenewAsync(double seconds)
    {
        int before = Renewals;
        Advance(seconds);
        await Eventually.IsTrueAsync(() => Renewals > before && _leases.TrueForAll(lease => !lease.Held.IsRenewing));
    }
}
