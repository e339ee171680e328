using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;
using static JobLocking.JobLockingDiagnostics;
using static JobLocking.Tests.Engine.UnreliableStore;

namespace JobLocking.Tests.Telemetry;

[Collection("Meters of this process")] // OpenTelemetry listens to all of them, whatever their container.
public sealed class MetricsTests : IDisposable
{
    private static readonly TaskLockAttribute Plain = new("x");

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;
    private readonly Measurements _measured;

    public MetricsTests()
    {
        _other = new EngineUnderTest(sharing: _node, node: "node-2");
        _measured = new Measurements(_node.Meters);
    }

    [Fact]
    public async Task A_run_is_counted_timed_and_held_under_the_template_of_its_lock()
    {
        LockExecution execution = _node.Execution(new TaskLockAttribute("invoice:{id}")) with { Name = "invoice:7" };
        _node.Store.HoldAcquire = new TaskCompletionSource();
        Task<LockDecision.Run> asking = _node.DecideAsync<LockDecision.Run>(execution);
        _node.Time.Advance(TimeSpan.FromSeconds(2));
        _node.Store.HoldAcquire.SetResult();
        LockDecision.Run run = await asking;

        Assert.Equal(["2 lock=invoice:{id} scheduler=Test outcome=granted"], _measured.Of(AcquireDuration));
        Assert.Equal(["1 lock=invoice:{id} scheduler=Test outcome=granted"], _measured.Of(Acquisitions));
        Assert.Equal(["1 lock=invoice:{id} scheduler=Test"], _measured.Of(Held));

        _node.Time.Advance(TimeSpan.FromSeconds(10));
        await run.EndAsync(null, aborted: false);
        Assert.Equal(["1 lock=invoice:{id} scheduler=Test", "-1 lock=invoice:{id} scheduler=Test"], _measured.Of(Held));
        Assert.Equal(["12 lock=invoice:{id} scheduler=Test"], _measured.Of(HoldDuration));
        Assert.Empty(_measured.Of(Lost));
    }

    [Fact]
    public async Task Metrics_of_a_lock_taken_by_hand_do_not_contain_its_name()
    {
        await using (TaskLease? lease = await _node.Locks.TryAcquireAsync("customer-4711"))
        {
            Assert.Null(await _node.Locks.TryAcquireAsync("customer-4711"));
        }

        Assert.Equal(["1 lock=code scheduler=code outcome=granted", "1 lock=code scheduler=code outcome=contended"], _measured.Of(Acquisitions));
        Assert.DoesNotContain(_measured.All, m => m.Tags.Contains("4711", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Contention_with_this_process_is_counted_but_not_timed()
    {
        TaskLockAttribute skip = new("x") { OnConflict = LockConflict.Skip };
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(skip));
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(skip));
        Assert.Contains("1 lock=x scheduler=Test outcome=contended", _measured.Of(Acquisitions));
        Assert.Equal(["0 lock=x scheduler=Test outcome=granted"], _measured.Of(AcquireDuration));
    }

    [Fact]
    public async Task An_unavailable_store_is_an_outcome()
    {
        _node.Store.AcquireAlways = Breakage.Refused;
        LockExecution execution = _node.Execution(Plain);
        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(EngineUnderTest.NeverWoken);
        Assert.Equal(["1 lock=x scheduler=Test outcome=unavailable"], _measured.Of(Acquisitions));
        Assert.Equal(["1 lock=x scheduler=Test reason=unavailable"], _measured.Of(Defers));
        Assert.Empty(_measured.Of(Held));
    }

    [Fact]
    public async Task A_cancelled_acquire_is_an_outcome()
    {
        _node.Store.HoldAcquire = new TaskCompletionSource();
        using CancellationTokenSource cancel = new();
        Task asking = _node.Engine.DecideAsync(_node.Execution(Plain), cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        Assert.Equal(["1 lock=x scheduler=Test outcome=cancelled"], _measured.Of(Acquisitions));
    }

    [Fact]
    public async Task A_wait_in_place_is_counted_while_it_lasts_and_timed()
    {
        TaskLease held = (await _other.Locks.TryAcquireAsync("x"))!;
        Task<TaskLease> waiting = _node.Locks.AcquireAsync("x").AsTask();
        await Eventually.IsTrueAsync(() => _measured.Of(JobLockingDiagnostics.Waiters).SequenceEqual(["1 lock=code scheduler=code"]));
        _node.Time.Advance(TimeSpan.FromSeconds(2));
        await held.DisposeAsync();
        await waiting.WaitAsync(Eventually.DefaultTimeout);
        Assert.Equal(["2 lock=code scheduler=code outcome=granted"], _measured.Of(WaitDuration));
        Assert.Equal(0, _measured.Sum(JobLockingDiagnostics.Waiters));
    }

    [Fact]
    public async Task A_wait_that_times_out_or_is_cancelled_is_timed_with_that_outcome()
    {
        await _other.Locks.TryAcquireAsync("x");
        Task<TaskLease?> waiting = _node.Locks.TryAcquireAsync("x", new TaskLockOptions { Wait = TimeSpan.FromSeconds(1) }).AsTask();
        await Eventually.IsTrueAsync(() => _measured.Sum(JobLockingDiagnostics.Waiters) == 1);
        _node.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await waiting);

        using CancellationTokenSource cancel = new();
        Task<TaskLease> cancelled = _node.Locks.AcquireAsync("x", null, cancel.Token).AsTask();
        await Eventually.IsTrueAsync(() => _measured.Sum(JobLockingDiagnostics.Waiters) == 1);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(["1 lock=code scheduler=code outcome=contended", "0 lock=code scheduler=code outcome=cancelled"], _measured.Of(WaitDuration));
        Assert.Equal(0, _measured.Sum(JobLockingDiagnostics.Waiters));
    }

    [Fact]
    public async Task A_deferral_counts_as_a_waiter_until_it_is_woken()
    {
        TaskLease held = (await _other.Locks.TryAcquireAsync("x"))!;
        LockExecution execution = _node.Execution(Plain);
        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(() => new(true));
        Assert.Equal(["1 lock=x scheduler=Test"], _measured.Of(JobLockingDiagnostics.Waiters));
        await held.DisposeAsync();
        await Eventually.IsTrueAsync(() => _measured.Sum(JobLockingDiagnostics.Waiters) == 0);
        Assert.Empty(_measured.Of(WaitDuration));
    }

    [Fact]
    public async Task A_skip_has_its_reason()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(Plain, ExecutionOrigin.Recurring));
        Assert.Equal(["1 lock=x scheduler=Test reason=contended"], _measured.Of(Skips));
    }

    [Theory]
    [InlineData(false, "occurrence_succeeded")]
    [InlineData(true, "occurrence_failed")]
    public async Task A_skip_because_of_an_occurrence_has_the_outcome_of_that_occurrence(bool fails, string reason)
    {
        LockDecision.Run run = await _other.DecideAsync<LockDecision.Run>(Occurrence(_other));
        await run.EndAsync(fails ? new InvalidOperationException() : null, aborted: false);
        await _node.DecideAsync<LockDecision.Skip>(Occurrence(_node));
        Assert.Equal([$"1 lock=x scheduler=Test reason={reason}"], _measured.Of(Skips));
        Assert.Equal([$"1 lock=x scheduler=Test outcome={reason}"], _measured.Of(Acquisitions));
    }

    [Fact]
    public async Task A_deferral_is_counted_when_it_was_stored_and_has_its_reason()
    {
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other));
        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain));
        Assert.Empty(_measured.Of(Defers));

        defer.Stored(EngineUnderTest.NeverWoken);

        Assert.Equal(["1 lock=x scheduler=Test reason=contended"], _measured.Of(Defers));
    }

    [Fact]
    public async Task A_standby_is_an_outcome_of_its_own_and_no_deferral()
    {
        await _other.DecideAsync<LockDecision.Run>(Occurrence(_other));
        LockDecision.Defer standby = await _node.DecideAsync<LockDecision.Defer>(Occurrence(_node));
        standby.Stored(EngineUnderTest.NeverWoken);

        Assert.Empty(_measured.Of(Defers));
        Assert.Equal(["1 lock=x scheduler=Test outcome=standby"], _measured.Of(Acquisitions));
    }

    [Theory]
    [InlineData(LeaseLoss.Expired, "expired")]
    [InlineData(LeaseLoss.HeldTooLong, "held_too_long")]
    [InlineData(LeaseLoss.Taken, "taken")]
    [InlineData(LeaseLoss.Gone, "gone")]
    [InlineData(LeaseLoss.Broken, "broken")]
    internal async Task A_loss_ends_the_hold_once_and_has_its_reason(LeaseLoss loss, string reason)
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        _node.Time.Advance(TimeSpan.FromSeconds(3));
        run.Lease!.Lose(loss);
        run.Lease.Lose(loss);
        Assert.Equal([$"1 lock=x scheduler=Test reason={reason}"], _measured.Of(Lost));

        await run.EndAsync(null, aborted: false);
        await run.Lease.DisposeAsync();
        Assert.Equal(0, _measured.Sum(Held));
        Assert.Equal(["3 lock=x scheduler=Test"], _measured.Of(HoldDuration));
        Assert.Single(_measured.Of(Lost));
    }

    [Fact]
    public async Task Every_renewal_is_counted_with_its_outcome()
    {
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        await RenewalAnsweredAsync("renewed");
        _node.Store.RenewAlways = Breakage.RequestLost;
        await RenewalAnsweredAsync("transient");
        _node.Store.RenewAlways = Breakage.None;
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("x", Assert.Single(await _node.ListAsync()).FencingToken!.Value, CancellationToken.None);
        await RenewalAnsweredAsync("missing");
        await Eventually.IsTrueAsync(() => _measured.Of(Lost).Count == 1);
    }

    [Fact]
    public async Task A_renewal_that_finds_another_holder_is_counted_as_not_yours()
    {
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("x", Assert.Single(await _node.ListAsync()).FencingToken!.Value, CancellationToken.None);
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        await RenewalAnsweredAsync("not_yours");
        await Eventually.IsTrueAsync(() => _measured.Of(Lost).Count == 1);
    }

    [Fact]
    public async Task The_renewal_of_a_lease_that_was_released_meanwhile_raises_no_alarm()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        LockDecision.Run still = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("y")));
        TaskCompletionSource asked = new();
        using ManualResetEventSlim released = new();
        _node.Store.OnRenew = () =>
        {
            asked.SetResult();
            released.Wait();
        };
        _node.Time.Advance(TimeSpan.FromSeconds(20));
        await asked.Task.WaitAsync(Eventually.DefaultTimeout);
        await run.EndAsync(null, aborted: false);
        released.Set();
        await Eventually.IsTrueAsync(() => !run.Lease!.Held.IsRenewing && !still.Lease!.Held.IsRenewing && _measured.Of(Renewals).Count > 0);
        Assert.Equal(["1 lock=y scheduler=Test outcome=renewed"], _measured.Of(Renewals));
    }

    [Fact]
    public async Task A_listener_that_starts_while_a_lease_is_held_never_sees_less_than_zero()
    {
        LockDecision.Run run = await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        using Measurements late = new(_other.Meters);
        await run.EndAsync(null, aborted: false);
        Assert.Empty(late.Of(Held));
        Assert.Single(late.Of(HoldDuration));
    }

    [Fact]
    public async Task The_metrics_of_two_containers_do_not_mix()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        Assert.Empty(_measured.All);
    }

    [Fact]
    public void Measuring_allocates_nothing_without_a_listener()
    {
        using MetricsReporter metrics = new(null);
        Tell(); // What runs for the first time is compiled, and that allocates.
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            Tell();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Tell()
        {
            metrics.StoreAsked("x", "Test", AcquireOutcome.Granted.Tag(), TimeSpan.FromSeconds(1));
            metrics.ContendedLocally("x", "Test");
            bool isCounted = metrics.LeaseBegan("x", "Test");
            metrics.RenewalAnswered("x", "Test", RenewOutcome.Renewed.Tag());
            metrics.LeaseReleased("x", "Test", isCounted, TimeSpan.FromSeconds(1));
            metrics.LeaseLost("x", "Test", isCounted, TimeSpan.FromSeconds(1), LeaseLoss.Expired.Tag());
            isCounted = metrics.Queued("x", "Test");
            metrics.Dequeued("x", "Test", isCounted);
            metrics.Waited("x", "Test", TagValues.Granted, TimeSpan.FromSeconds(1));
            metrics.Skipped("x", "Test", TagValues.Contended);
            metrics.Deferred("x", "Test", TagValues.Contended);
        }
    }

    public void Dispose()
    {
        _measured.Dispose();
        _other.Dispose();
        _node.Dispose();
    }

    private static LockExecution Occurrence(EngineUnderTest node) =>
        node.Execution(new TaskLockAttribute("x") { OncePerOccurrence = OncePerOccurrence.Always }, ExecutionOrigin.Recurring, occurrence: new LockOccurrence("Job.Run", node.Time.Start, IsRetry: false));

    private async Task RenewalAnsweredAsync(string outcome)
    {
        _node.Time.Advance(TimeSpan.FromSeconds(20));
        await Eventually.IsTrueAsync(() => _measured.Of(Renewals).Contains($"1 lock=x scheduler=Test outcome={outcome}"));
    }
}
