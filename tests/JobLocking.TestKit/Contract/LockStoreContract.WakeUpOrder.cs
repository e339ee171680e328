using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wake_up_that_is_declined_or_whose_waiter_leaves_goes_to_the_next(bool leaves)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Other, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);

        await DeclinesAsync(first, leaves);

        await there.WakeUpAsync(second);
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wake_up_that_is_not_used_wakes_no_other_waiter_while_the_lock_is_taken(bool leaves)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();

        await DeclinesAsync(first, leaves);

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
        await ReleasedAsync(newcomer);
        await here.WakeUpAsync(second);
    }

    [Fact]
    public async Task The_compensation_of_an_acquire_after_a_wake_up_wakes_the_next_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);

        // It is not known whether the acquire has arrived; it has not.
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(first));

        await here.WakeUpAsync(second);
    }

    [Fact]
    public async Task A_waiter_that_leaves_is_not_queued_any_more_and_nothing_else_changes()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");

        await LeavesAsync(Other, first);
        await LeavesAsync(Other, AsWaiter(Request(Name)));

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        await ReleasedAsync(lease);
        await here.WakeUpAsync(second);
        Assert.Equal([second.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_declined_wake_up_takes_no_waiter_out_of_the_queue()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();
        await Other.AcquireAsync(first, Cancellation);

        await DeclinesAsync(first, leaves: false);

        Assert.Equal(["first", "second"], await QueueAsync());
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(newcomer));
    }

    [Fact]
    public async Task The_release_of_a_lease_that_does_not_hold_the_lock_wakes_no_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await GrantedAsync();
        await QueuedAsync(Store, "first");

        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(Request(Name)));

        Assert.Equal(["first"], await QueueAsync());
        Assert.Empty(await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_waiter_lapses_after_its_time()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest impatient = AsWaiter(Request(Name, node: "impatient"), AMoment);
        Assert.True((await Store.AcquireAsync(impatient, Cancellation)).QueuedSince > 0);
        AcquireRequest second = await QueuedAsync(Store, "second");
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.SequenceEqual(["second"]));

        await ReleasedAsync(lease);

        await here.WakeUpAsync(second);
        Assert.Equal([second.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_waiter_that_is_queued_again_lapses_later()
    {
        await GrantedAsync();
        AcquireRequest queued = AsWaiter(Request(Name, node: "first"), AMoment);
        long since = (await Store.AcquireAsync(queued, Cancellation)).QueuedSince;
        await QueuedAsync(Store, "second", lapsesAfter: AMoment);

        await Store.AcquireAsync(queued with { Waiter = new WaiterEntry(queued.Waiter!.Id, AMinute, since) }, Cancellation);
        await PassAsync(AMoment);

        await Eventually.SeesAsync(QueueAsync, queue => queue.SequenceEqual(["first"]));
    }

    [Fact]
    public async Task A_waiter_whose_process_does_not_listen_is_passed_over()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest deaf = await QueuedAsync(Other, "deaf");
        AcquireRequest second = await QueuedAsync(Store, "second");
        await using Notifications here = await Notifications.OfAsync(Store);
        await using (await Notifications.OfAsync(Other))
        {
            // Not any more.
        }

        await ReleasedAsync(lease);

        if (CountsListeners)
        {
            await here.WakeUpAsync(second);
        }

        Assert.DoesNotContain(deaf.Waiter!.Id, await here.WakeUpsAsync());
        await Eventually.SeesAsync(() => PolledAsync(second), poll => poll.IsFree);
    }

    [Fact]
    public async Task A_release_finds_a_process_that_listens_among_a_hundred_waiters()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await Task.WhenAll(Enumerable.Range(0, 120).Select(_ => QueuedAsync(Other, "deaf")));
        AcquireRequest listens = await QueuedAsync(Store, "listens");
        await using Notifications here = await Notifications.OfAsync(Store);

        await ReleasedAsync(lease);

        (lease, _) = await GrantedAsync();
        Assert.Equal(CountsListeners ? 21 : 120, (await QueueAsync()).Count);
        Assert.Empty(await here.WakeUpsAsync());
        await ReleasedAsync(lease);
        if (CountsListeners)
        {
            await here.WakeUpAsync(listens);
        }
    }

    [Fact]
    public async Task While_a_lock_is_kept_the_next_waiter_is_woken_with_the_time_that_remains()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");

        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        AssertTimeLeft((await here.WakeUpAsync(first)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["second"], await QueueAsync());
        AcquireResult early = await Store.AcquireAsync(first, Cancellation);
        Assert.Equal((AcquireOutcome.Contended, true, first.Waiter!.Since), (early.Outcome, early.IsKept, early.QueuedSince));
        Assert.Equal(["first", "second"], await QueueAsync());
        Assert.DoesNotContain(second.Waiter!.Id, await here.WakeUpsAsync());
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 2)]
    [InlineData(true, 2)]
    public async Task A_wake_up_that_is_not_used_while_the_lock_is_kept_goes_to_the_next_with_the_time_that_remains(bool leaves, int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        await here.WakeUpAsync(first);

        await DeclinesAsync(first, leaves);

        AssertTimeLeft((await here.WakeUpAsync(second)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal([first.Waiter!.Id, second.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_break_wakes_the_next_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, long token) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Other, "first");
        await QueuedAsync(Other, "second");

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        await here.BrokenAsync(lease);
        Assert.Equal(TimeSpan.Zero, (await there.WakeUpAsync(first)).After);
        await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());
    }

    [Fact]
    public async Task A_break_of_a_kept_lock_wakes_the_next_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, long token) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: AMinute);
        AcquireRequest first = await QueuedAsync(Store, "first");

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        Assert.Equal(TimeSpan.Zero, (await here.WakeUpAsync(first)).After);
    }

    [Fact]
    public async Task A_break_that_breaks_nothing_wakes_no_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (_, long token) = await GrantedAsync();
        await QueuedAsync(Store, "first");

        Assert.False(await Other.BreakAsync(Name, token - 1, Cancellation));

        Assert.Equal(["first"], await QueueAsync());
        Assert.Empty(await here.WakeUpsAsync());
    }
}
