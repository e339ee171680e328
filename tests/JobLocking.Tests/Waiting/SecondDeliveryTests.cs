using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using JobLocking.Waiting;
using Xunit;

namespace JobLocking.Tests.Waiting;

/// <summary>
/// An execution that is delivered a second time, with the deferral state of the first, to the process in which the first waits. The clock
/// stands still: no poll comes to help, and no wait ends.
/// </summary>
public sealed class SecondDeliveryTests : IDisposable
{
    private static readonly TaskLockAttribute Patient = new("x") { OnConflict = LockConflict.Defer, Wait = 600 };

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public SecondDeliveryTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Both_deliveries_that_wait_in_place_get_the_lock(bool whileItAsks)
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        DeferralState state = await DeferredAsync();
        int before = Asked;
        TaskCompletionSource answers = new();
        _other.Store.HoldAcquire = whileItAsks ? answers : null;
        Task<LockDecision> first = Deliver(state);
        await AskedAsync(before + 1);
        _other.Store.HoldAcquire = null;
        Task<LockDecision> second = Deliver(state);
        await AskedAsync(before + (whileItAsks ? 2 : 3));
        answers.SetResult();

        if (whileItAsks)
        {
            // The answer was for the entry of the second. The next poll gives the first its own.
            await Eventually.IsTrueAsync(async () =>
            {
                _node.Time.Advance(TimeSpan.FromSeconds(1));
                return Assert.Single(await _node.ListAsync()).Waiters.Count == 2;
            });
        }

        await Eventually.IsTrueAsync(async () => Assert.Single(await _node.ListAsync()).Waiters.Count == 2);
        await held.DisposeAsync();
        Task<LockDecision> one = await Task.WhenAny(first, second).WaitAsync(Eventually.DefaultTimeout);
        await Assert.IsType<LockDecision.Run>(await one).EndAsync(null, aborted: false);
        await Task.WhenAll(first, second).WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_cancelled_delivery_does_not_take_the_other_out_of_the_queue()
    {
        TaskLease held = (await _node.Locks.TryAcquireAsync("x"))!;
        DeferralState state = await DeferredAsync();
        int before = Asked;
        Task<LockDecision> first = Deliver(state);
        await AskedAsync(before + 1);
        using CancellationTokenSource cancelled = new();
        Task<LockDecision> second = Deliver(state, cancelled.Token);
        await AskedAsync(before + 3);

        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await held.DisposeAsync();
        Assert.IsType<LockDecision.Run>(await first.WaitAsync(Eventually.DefaultTimeout));
    }

    [Fact]
    public async Task A_delivery_that_another_replaces_before_it_waits_asks_again()
    {
        // Between the answer of the store and the wait: no wake-up would find it any more.
        LocalWaiters waiters = _other.Queue;
        LeaseRequest wanted = new("x", "x", new LeaseTerms(TimeSpan.FromMinutes(1), default, default, 1), new LockHolder("app", "node-2", "Test", null, null, default));
        Waiter first = Waiter.For(wanted, TimeSpan.FromMinutes(1), reference: "1:same");
        Waiter second = Waiter.For(wanted, TimeSpan.FromMinutes(1), reference: "1:same");
        waiters.Add(first);
        waiters.OnRefused(first, new AcquireResult(AcquireOutcome.Contended, QueuedSince: 1));
        waiters.Add(second);

        Assert.True(await waiters.WaitInPlaceAsync(first, Timeout.InfiniteTimeSpan, CancellationToken.None, TestContext.Current.CancellationToken).AsTask()
            .WaitAsync(Eventually.DefaultTimeout, TestContext.Current.CancellationToken));

        waiters.OnRefused(first, new AcquireResult(AcquireOutcome.Contended, QueuedSince: 2));
        Assert.NotEqual(second.Id, first.Id);
        Assert.Equal((WaiterStage.Asking, WaiterStage.Asking), (first.Stage, second.Stage));
    }

    public void Dispose()
    {
        _other.Dispose();
        _node.Dispose();
    }

    private async Task<DeferralState> DeferredAsync()
    {
        LockExecution execution = _other.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Defer });
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(EngineUnderTest.NeverWoken);
        return defer.State;
    }

    private Task<LockDecision> Deliver(DeferralState state, CancellationToken cancellationToken = default) =>
        _other.Engine.DecideAsync(_other.Execution(Patient, ExecutionOrigin.Redelivery, deferral: state), cancellationToken).AsTask();

    private int Asked => _other.Store.Asked.Count;

    private async Task AskedAsync(int times) => await Eventually.SeesAsync(() => Asked, asked => asked == times);
}
