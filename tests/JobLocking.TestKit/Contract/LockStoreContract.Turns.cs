using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Fact]
    public async Task Who_does_not_take_its_turn_passes_it_on()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Other, "second");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);

        Assert.Equal(ReleaseOutcome.Missing, await EndsItsWaitAsync(Store, first));

        await there.TurnAsync(second);
        Assert.Equal([first.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task A_turn_is_not_passed_on_when_the_lock_is_taken()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();

        Assert.Equal(ReleaseOutcome.NotYours, await EndsItsWaitAsync(Store, first));

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Parking!.Id], await here.TurnsAsync());
        await ReleasedAsync(newcomer);
        await here.TurnAsync(second);
    }

    [Fact]
    public async Task The_compensation_of_a_try_in_its_turn_passes_the_turn_on()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);

        // Nobody knows whether the try has arrived; it has not.
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(first));

        await here.TurnAsync(second);
    }

    [Fact]
    public async Task Who_waits_no_more_leaves_the_queue_and_nothing_else_changes()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");

        Assert.Equal(ReleaseOutcome.NotYours, await EndsItsWaitAsync(Other, first));
        Assert.Equal(ReleaseOutcome.NotYours, await EndsItsWaitAsync(Other, WithPlace(Request(Name))));

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        await ReleasedAsync(lease);
        await here.TurnAsync(second);
        Assert.Equal([second.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task A_release_can_forget_a_place_too()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");

        await Store.ReleaseAsync(LockRequests.Release(lease) with { ParkingId = first.Parking!.Id }, Cancellation);

        await here.TurnAsync(second);
        Assert.Equal([second.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task The_release_of_a_lease_that_does_not_hold_the_lock_gives_no_turn()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await GrantedAsync();
        await ParkedAsync(Store, "first");

        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(Request(Name)));

        Assert.Equal(["first"], await QueueAsync());
        Assert.Empty(await here.TurnsAsync());
    }

    [Fact]
    public async Task A_place_lapses_when_patience_ends()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest impatient = WithPlace(Request(Name, node: "impatient"), AMoment);
        Assert.True((await Store.AcquireAsync(impatient, Cancellation)).ParkedSince > 0);
        AcquireRequest second = await ParkedAsync(Store, "second");
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.SequenceEqual(["second"]));

        await ReleasedAsync(lease);

        await here.TurnAsync(second);
        Assert.Equal([second.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task Who_is_parked_again_has_new_patience()
    {
        await GrantedAsync();
        AcquireRequest parked = WithPlace(Request(Name, node: "first"), AMoment);
        long since = (await Store.AcquireAsync(parked, Cancellation)).ParkedSince;
        await ParkedAsync(Store, "second", patience: AMoment);

        await Store.AcquireAsync(parked with { Parking = new Parking(parked.Parking!.Id, AMinute, since) }, Cancellation);
        await PassAsync(AMoment);

        await Eventually.SeesAsync(QueueAsync, queue => queue.SequenceEqual(["first"]));
    }

    [Fact]
    public async Task The_turn_is_not_given_where_nobody_listens()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest deaf = await ParkedAsync(Other, "deaf");
        AcquireRequest second = await ParkedAsync(Store, "second");
        await using Notices here = await Notices.OfAsync(Store);
        await using (await Notices.OfAsync(Other))
        {
            // Not any more.
        }

        await ReleasedAsync(lease);

        if (KnowsWhoListens)
        {
            await here.TurnAsync(second);
        }

        Assert.DoesNotContain(deaf.Parking!.Id, await here.TurnsAsync());
        await Eventually.SeesAsync(() => LookedAsync(second), look => look.IsFree);
    }

    [Fact]
    public async Task A_release_looks_for_somebody_who_listens_among_a_hundred()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await Task.WhenAll(Enumerable.Range(0, 120).Select(_ => ParkedAsync(Other, "deaf")));
        AcquireRequest listens = await ParkedAsync(Store, "listens");
        await using Notices here = await Notices.OfAsync(Store);

        await ReleasedAsync(lease);

        (lease, _) = await GrantedAsync();
        Assert.Equal(KnowsWhoListens ? 21 : 120, (await QueueAsync()).Count);
        Assert.Empty(await here.TurnsAsync());
        await ReleasedAsync(lease);
        if (KnowsWhoListens)
        {
            await here.TurnAsync(listens);
        }
    }

    [Fact]
    public async Task While_a_lock_is_kept_the_next_learns_for_how_long()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");

        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        AssertTimeLeft((await here.TurnAsync(first)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["second"], await QueueAsync());
        AcquireResult early = await Store.AcquireAsync(first, Cancellation);
        Assert.Equal((AcquireOutcome.Contended, true, first.Parking!.Since), (early.Outcome, early.IsKept, early.ParkedSince));
        Assert.Equal(["first", "second"], await QueueAsync());
        Assert.DoesNotContain(second.Parking!.Id, await here.TurnsAsync());
    }

    [Fact]
    public async Task A_turn_that_is_not_taken_while_the_lock_is_kept_goes_to_the_next_with_the_time_that_remains()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        await here.TurnAsync(first);

        Assert.Equal(ReleaseOutcome.NotYours, await EndsItsWaitAsync(Store, first));

        AssertTimeLeft((await here.TurnAsync(second)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal([first.Parking!.Id, second.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task A_break_gives_the_turn_to_the_next()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        (AcquireRequest lease, long token) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Other, "first");
        await ParkedAsync(Other, "second");

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        await here.BrokenAsync(lease);
        Assert.Equal(TimeSpan.Zero, (await there.TurnAsync(first)).After);
        await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());
    }

    [Fact]
    public async Task A_break_of_what_is_kept_gives_the_turn_to_the_next()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, long token) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: AMinute);
        AcquireRequest first = await ParkedAsync(Store, "first");

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        Assert.Equal(TimeSpan.Zero, (await here.TurnAsync(first)).After);
    }

    [Fact]
    public async Task A_break_that_breaks_nothing_gives_no_turn()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (_, long token) = await GrantedAsync();
        await ParkedAsync(Store, "first");

        Assert.False(await Other.BreakAsync(Name, token - 1, Cancellation));

        Assert.Equal(["first"], await QueueAsync());
        Assert.Empty(await here.TurnsAsync());
    }
}
