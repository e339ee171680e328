using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <content>What a poll does for all waiters when a holder has expired.</content>
public abstract partial class LockStoreContract
{
    /// <summary>A poll wakes no other within this time of a wake-up.</summary>
    private static readonly TimeSpan AcceptedWithin = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_poll_that_finds_room_wakes_the_oldest_of_all_and_no_other_while_that_one_may_accept(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Other, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        AcquireRequest third = await QueuedAsync(Other, "third", limit);
        await DieAsync(leases);

        PollResult poll = await RoomSeenAsync(second);

        Assert.Equal((second.Waiter!.Since, true), (poll.QueuedSince, poll.WasQueued));
        Assert.Equal(TimeSpan.Zero, (await there.WakeUpAsync(first)).After);
        if (CountsListeners)
        {
            foreach (PollResult another in new[] { await PolledAsync(third, Other), await PolledAsync(second) })
            {
                Assert.False(another.IsFree);
                AssertTimeLeft(another.TimeLeft, TimeSpan.Zero, AcceptedWithin);
            }
        }

        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(first, Cancellation)).Outcome);
        if (limit > 1)
        {
            // While there is room, each grant wakes the next.
            await here.WakeUpAsync(second);
        }

        Assert.Equal([first.Waiter!.Id], await there.WakeUpsAsync());
        Assert.Equal(limit == 1 ? ["second", "third"] : ["third"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_wake_up_that_is_not_accepted_lets_the_next_polled_waiter_try(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest frozen = await QueuedAsync(Other, "frozen", limit);
        await QueuedAsync(Other, "frozen too", limit);
        AcquireRequest living = await QueuedAsync(Store, "living", limit);
        await QueuedAsync(Store, "last", limit);
        await DieAsync(leases);
        await RoomSeenAsync(living);
        await there.WakeUpAsync(frozen);

        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => PolledAsync(living), poll => poll.IsFree);

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(living, Cancellation)).Outcome);
        Assert.Equal(limit == 1 ? ["frozen too", "last"] : ["last"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task After_a_release_too_a_poll_leaves_time_to_accept_before_its_waiter_may_try(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest frozen = await QueuedAsync(Other, "frozen", limit);
        await QueuedAsync(Other, "frozen too", limit);
        AcquireRequest living = await QueuedAsync(Store, "living", limit);
        await ReleasedAsync(leases[0]);
        await there.WakeUpAsync(frozen);

        if (CountsListeners)
        {
            AssertTimeLeft((await PolledAsync(living)).TimeLeft, TimeSpan.Zero, AcceptedWithin);
        }

        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => PolledAsync(living), poll => poll.IsFree);

        await LeavesAsync(Store, living);
        Assert.Equal([frozen.Waiter!.Id], (await there.WakeUpsAsync()).Take(1));
    }

    [Fact]
    public async Task A_woken_waiter_may_try_at_once_if_it_is_polled_since_it_may_not_have_been_notified()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);

        AssertFree(await PolledAsync(first), wasQueued: true);
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task When_the_woken_waiter_has_held_the_lock_and_died_too_the_next_oldest_is_woken(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Other, "first", limit);
        AcquireRequest second = await QueuedAsync(Other, "second", limit);
        AcquireRequest third = await QueuedAsync(Store, "third", limit);
        await DieAsync(leases[0]);
        await RoomSeenAsync(third);
        await there.WakeUpAsync(first);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(first with { Expiry = AMoment }, Cancellation)).Outcome);
        await PassAsync(AMoment);

        await RoomSeenAsync(third);

        await there.WakeUpAsync(second);
        Assert.DoesNotContain(third.Waiter!.Id, await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_waiter_that_was_woken_for_a_kept_slot_does_not_keep_another_from_a_slot_that_is_free_sooner()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        (AcquireRequest dies, _) = await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Other, "first", limit: 2);
        AcquireRequest second = await QueuedAsync(Other, "second", limit: 2);
        AcquireRequest third = await QueuedAsync(Store, "third", limit: 2);
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        Assert.NotEqual(TimeSpan.Zero, (await there.WakeUpAsync(first)).After);

        await DieAsync(dies);
        await RoomSeenAsync(third);

        Assert.Equal(TimeSpan.Zero, (await there.WakeUpAsync(second)).After);
    }

    [Fact]
    public async Task A_poll_passes_over_an_oldest_waiter_that_needs_more_room_than_there_is()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await GrantedAsync(Shared(2));
        (AcquireRequest dies, _) = await GrantedAsync(Shared(2));
        AcquireRequest alone = await QueuedAsync(Store, "alone");
        AcquireRequest second = await QueuedAsync(Store, "second", limit: 2);
        await DieAsync(dies);

        await Eventually.SeesAsync(() => PolledAsync(second), poll => poll.IsFree);

        Assert.Equal(["alone"], await QueueAsync());
        Assert.False((await PolledAsync(alone)).IsFree);
    }

    /// <summary>The holders die: a lease that is requested again with the same id has the expiry of the new request.</summary>
    private async Task DieAsync(params AcquireRequest[] leases)
    {
        foreach (AcquireRequest lease in leases)
        {
            await GrantedAsync(lease with { Expiry = AMoment });
        }

        await PassAsync(AMoment);
    }

    /// <summary>Polls until there is room and another waiter was woken.</summary>
    private async Task<PollResult> RoomSeenAsync(AcquireRequest polled)
    {
        PollResult seen = await Eventually.SeesAsync(() => PolledAsync(polled), poll => poll.IsFree || poll.TimeLeft > AMoment);
        Assert.False(seen.IsFree);
        AssertTimeLeft(seen.TimeLeft, AMoment, AcceptedWithin);
        return seen;
    }
}
