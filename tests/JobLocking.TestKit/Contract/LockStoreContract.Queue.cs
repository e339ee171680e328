using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    /// <summary>Whether the store notices that a process does not listen, and wakes the next waiter instead.</summary>
    protected virtual bool CountsListeners => true;

    protected static AcquireRequest AsWaiter(AcquireRequest request, TimeSpan? lapsesAfter = null) =>
        request with { Waiter = new WaiterEntry(NewLeaseId(), lapsesAfter ?? AMinute) };

    /// <summary>Asks for a taken lock: it is queued.</summary>
    /// <returns>The request to send again, for the same position.</returns>
    protected async Task<AcquireRequest> QueuedAsync(ILockStore store, string node, int limit = 1, TimeSpan? lapsesAfter = null)
    {
        AcquireRequest request = AsWaiter(Request(Name, node: node) with { Limit = limit }, lapsesAfter);
        AcquireResult result = await store.AcquireAsync(request, Cancellation);
        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.True(result.QueuedSince > 0);
        return request with { Waiter = request.Waiter! with { Since = result.QueuedSince } };
    }

    /// <summary>Takes a waiter out of the queue, whether or not it was woken.</summary>
    protected static async Task LeavesAsync(ILockStore store, AcquireRequest waiter) =>
        await store.LeaveAsync(new LeaveRequest(waiter.Name, waiter.Waiter!.Id), Cancellation);

    /// <summary>A waiter of <see cref="Store"/> that was woken does not use its wake-up.</summary>
    protected async Task DeclinesAsync(AcquireRequest woken, bool leaves)
    {
        if (leaves)
        {
            await LeavesAsync(Store, woken);
        }
        else
        {
            await Store.DeclineAsync(new DeclineRequest(woken.Name), Cancellation);
        }
    }

    /// <summary>The nodes in the queue of a held lock, as the list shows them with each holder.</summary>
    protected async Task<IReadOnlyList<string>> QueueAsync()
    {
        List<HeldLock> held = await ListedAsync(Name);
        Assert.NotEmpty(held);
        Assert.All(held, one => Assert.Equal(held[0].Waiters, one.Waiters));
        return [.. held[0].Waiters.Select(waiter => waiter.Description.Node)];
    }

    [Fact]
    public async Task Waiters_are_woken_oldest_first_each_in_its_own_process()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Other, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");
        AcquireRequest third = await QueuedAsync(Other, "third");
        Assert.Equal(["first", "second", "third"], await QueueAsync());

        foreach ((AcquireRequest next, ILockStore store, Notifications told) in new[] { (first, Other, there), (second, Store, here), (third, Other, there) })
        {
            await ReleasedAsync(lease);
            Assert.Equal(TimeSpan.Zero, (await told.WakeUpAsync(next)).After);
            Assert.Equal(AcquireOutcome.Granted, (await store.AcquireAsync(next, Cancellation)).Outcome);
            lease = next;
        }

        Assert.Equal([second.Waiter!.Id], await here.WakeUpsAsync());
        Assert.Equal([first.Waiter!.Id, third.Waiter!.Id], await there.WakeUpsAsync());
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_release_takes_one_waiter_out_of_the_queue()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");

        await ReleasedAsync(lease);

        await here.WakeUpAsync(first);
        await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_release_without_waiters_notifies_no_process()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        await AskedByAnotherAsync(Name);

        await ReleasedAsync(lease);

        Assert.Empty(await here.WakeUpsAsync());
    }

    [Fact]
    public async Task An_acquire_that_tries_once_is_not_queued()
    {
        await GrantedAsync();

        Assert.Equal(0, (await AskedByAnotherAsync(Name)).QueuedSince);

        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_granted_acquire_is_not_queued()
    {
        AcquireResult free = await Store.AcquireAsync(AsWaiter(Request(Name)), Cancellation);

        Assert.Equal((AcquireOutcome.Granted, 0), (free.Outcome, free.QueuedSince));
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_waiter_that_is_faster_than_the_woken_one_has_left_the_queue()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");
        await QueuedAsync(Store, "third");
        await using Notifications here = await Notifications.OfAsync(Store);
        await ReleasedAsync(lease);

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(second, Cancellation)).Outcome);

        Assert.Equal(["third"], await QueueAsync());
    }

    [Fact]
    public async Task A_woken_waiter_that_is_refused_has_its_old_position_again()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();

        AcquireResult refused = await Store.AcquireAsync(first, Cancellation);

        Assert.Equal((AcquireOutcome.Contended, first.Waiter!.Since), (refused.Outcome, refused.QueuedSince));
        Assert.Equal(["first", "second"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await here.WakeUpAsync(first, times: 2);
    }

    [Fact]
    public async Task A_waiter_that_asks_again_because_no_answer_came_keeps_its_position()
    {
        await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");

        AcquireResult again = await Store.AcquireAsync(first with { Waiter = first.Waiter! with { Since = 0 } }, Cancellation);

        Assert.Equal(first.Waiter!.Since, again.QueuedSince);
        Assert.Equal(["first", "second"], await QueueAsync());
    }

    [Fact]
    public async Task A_new_waiter_is_behind_all_others()
    {
        await GrantedAsync();
        AcquireRequest[] queued = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(i => QueuedAsync(i % 2 == 0 ? Store : Other, $"early-{i:00}")));

        AcquireRequest late = await QueuedAsync(Store, "late");

        Assert.All(queued, early => Assert.True(early.Waiter!.Since < late.Waiter!.Since));
        Assert.Equal(queued.Length, queued.Select(early => early.Waiter!.Since).Distinct().Count());
        Assert.Equal([.. queued.OrderBy(early => early.Waiter!.Since).Select(early => early.Holder.Node), "late"], await QueueAsync());
    }

    [Fact]
    public async Task A_waiter_that_is_queued_again_in_another_process_is_queued_once_and_woken_there()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");

        AcquireRequest moved = first with { LeaseId = NewLeaseId(), Holder = Holder("moved") };
        Assert.Equal(first.Waiter!.Since, (await Other.AcquireAsync(moved, Cancellation)).QueuedSince);

        Assert.Equal(["moved", "second"], await QueueAsync());
        await ReleasedAsync(lease);
        await there.WakeUpAsync(moved);
        Assert.Empty(await here.WakeUpsAsync());
    }
}
