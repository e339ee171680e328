using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <content>What a look does for all that wait, when the time of a holder has passed.</content>
public abstract partial class LockStoreContract
{
    /// <summary>A look wakes no other within this time of a wake-up.</summary>
    private static readonly TimeSpan AcceptedWithin = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_look_that_finds_room_wakes_the_oldest_of_all_and_no_other_while_that_may_accept(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Other, "first", limit);
        AcquireRequest second = await ParkedAsync(Store, "second", limit);
        AcquireRequest third = await ParkedAsync(Other, "third", limit);
        await DieAsync(leases);

        LookResult look = await RoomSeenAsync(second);

        Assert.Equal((second.Parking!.Since, true), (look.ParkedSince, look.WasParked));
        Assert.Equal(TimeSpan.Zero, (await there.TurnAsync(first)).After);
        if (KnowsWhoListens)
        {
            foreach (LookResult another in new[] { await LookedAsync(third, Other), await LookedAsync(second) })
            {
                Assert.False(another.IsFree);
                AssertTimeLeft(another.TimeLeft, TimeSpan.Zero, AcceptedWithin);
            }
        }

        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(first, Cancellation)).Outcome);
        if (limit > 1)
        {
            // And so on while there is room.
            await here.TurnAsync(second);
        }

        Assert.Equal([first.Parking!.Id], await there.TurnsAsync());
        Assert.Equal(limit == 1 ? ["second", "third"] : ["third"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_wake_up_that_is_not_accepted_lets_that_one_try_for_which_is_looked_next(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest frozen = await ParkedAsync(Other, "frozen", limit);
        await ParkedAsync(Other, "frozen too", limit);
        AcquireRequest living = await ParkedAsync(Store, "living", limit);
        await ParkedAsync(Store, "last", limit);
        await DieAsync(leases);
        await RoomSeenAsync(living);
        await there.TurnAsync(frozen);

        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => LookedAsync(living), look => look.IsFree);

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(living, Cancellation)).Outcome);
        Assert.Equal(limit == 1 ? ["frozen too", "last"] : ["last"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task After_a_release_too_a_look_leaves_time_to_accept_and_is_free_for_the_next_then(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest frozen = await ParkedAsync(Other, "frozen", limit);
        await ParkedAsync(Other, "frozen too", limit);
        AcquireRequest living = await ParkedAsync(Store, "living", limit);
        await ReleasedAsync(leases[0]);
        await there.TurnAsync(frozen);

        if (KnowsWhoListens)
        {
            AssertTimeLeft((await LookedAsync(living)).TimeLeft, TimeSpan.Zero, AcceptedWithin);
        }

        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => LookedAsync(living), look => look.IsFree);

        await EndsItsWaitAsync(Store, living);
        Assert.Equal([frozen.Parking!.Id], (await there.TurnsAsync()).Take(1));
    }

    [Fact]
    public async Task The_woken_one_may_try_at_once_if_it_is_looked_for_since_it_may_not_have_heard()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        await ParkedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);

        AssertFree(await LookedAsync(first), wasParked: true);
        Assert.Equal([first.Parking!.Id], await here.TurnsAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task When_the_woken_one_has_held_the_lock_and_died_too_the_next_oldest_is_woken(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Other, "first", limit);
        AcquireRequest second = await ParkedAsync(Other, "second", limit);
        AcquireRequest third = await ParkedAsync(Store, "third", limit);
        await DieAsync(leases[0]);
        await RoomSeenAsync(third);
        await there.TurnAsync(first);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(first with { Expiry = AMoment }, Cancellation)).Outcome);
        await PassAsync(AMoment);

        await RoomSeenAsync(third);

        await there.TurnAsync(second);
        Assert.DoesNotContain(third.Parking!.Id, await here.TurnsAsync());
    }

    [Fact]
    public async Task One_that_was_told_of_a_kept_place_does_not_keep_another_from_a_place_that_frees_before()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        (AcquireRequest dies, _) = await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Other, "first", limit: 2);
        AcquireRequest second = await ParkedAsync(Other, "second", limit: 2);
        AcquireRequest third = await ParkedAsync(Store, "third", limit: 2);
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        Assert.NotEqual(TimeSpan.Zero, (await there.TurnAsync(first)).After);

        await DieAsync(dies);
        await RoomSeenAsync(third);

        Assert.Equal(TimeSpan.Zero, (await there.TurnAsync(second)).After);
    }

    [Fact]
    public async Task A_look_passes_over_an_oldest_that_needs_more_room_than_there_is()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await GrantedAsync(Shared(2));
        (AcquireRequest dies, _) = await GrantedAsync(Shared(2));
        AcquireRequest alone = await ParkedAsync(Store, "alone");
        AcquireRequest second = await ParkedAsync(Store, "second", limit: 2);
        await DieAsync(dies);

        await Eventually.SeesAsync(() => LookedAsync(second), look => look.IsFree);

        Assert.Equal(["alone"], await QueueAsync());
        Assert.False((await LookedAsync(alone)).IsFree);
    }

    /// <summary>The holders die: a lease that is asked for again with the same id has the expiry that it asks for then.</summary>
    private async Task DieAsync(params AcquireRequest[] leases)
    {
        foreach (AcquireRequest lease in leases)
        {
            await GrantedAsync(lease with { Expiry = AMoment });
        }

        await PassAsync(AMoment);
    }

    /// <summary>Looks until there is room, and it is the turn of another.</summary>
    private async Task<LookResult> RoomSeenAsync(AcquireRequest looks)
    {
        LookResult seen = await Eventually.SeesAsync(() => LookedAsync(looks), look => look.IsFree || look.TimeLeft > AMoment);
        Assert.False(seen.IsFree);
        AssertTimeLeft(seen.TimeLeft, AMoment, AcceptedWithin);
        return seen;
    }
}
