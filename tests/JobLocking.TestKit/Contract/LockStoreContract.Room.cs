using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Fact]
    public async Task The_release_of_one_of_several_gives_the_turn_to_the_oldest()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Store, "first", limit: 2);
        AcquireRequest second = await ParkedAsync(Store, "second", limit: 2);
        Assert.Equal(["first", "second"], await QueueAsync());

        await ReleasedAsync(lease);

        Assert.Equal(TimeSpan.Zero, (await here.TurnAsync(first)).After);
        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(first, Cancellation)).Outcome);
        Assert.Equal(["second"], await QueueAsync());
        await EndsItsWaitAsync(Store, second);
        Assert.Equal([first.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task A_grant_that_leaves_room_gives_the_turn_to_the_next()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest alone, _) = await GrantedAsync();
        AcquireRequest[] parked = [await ParkedAsync(Store, "1", 2), await ParkedAsync(Store, "2", 2), await ParkedAsync(Store, "3", 2)];
        await ReleasedAsync(alone);
        await here.TurnAsync(parked[0]);
        Assert.Equal([parked[0].Parking!.Id], await here.TurnsAsync());

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(parked[0], Cancellation)).Outcome);
        await here.TurnAsync(parked[1]);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(parked[1], Cancellation)).Outcome);

        Assert.Equal(["3"], await QueueAsync());
        Assert.Equal(parked.Take(2).Select(one => one.Parking!.Id), await here.TurnsAsync());
    }

    [Fact]
    public async Task A_turn_that_is_not_taken_goes_to_the_next_as_long_as_there_is_room()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Store, "first", limit: 2);
        AcquireRequest second = await ParkedAsync(Store, "second", limit: 2);
        await ParkedAsync(Store, "third", limit: 2);
        await ReleasedAsync(lease);
        await here.TurnAsync(first);

        await EndsItsWaitAsync(Store, first);

        await here.TurnAsync(second);
        await GrantedAsync(Shared(2));
        await EndsItsWaitAsync(Store, second);
        Assert.Equal(["third"], await QueueAsync());
        Assert.Equal([first.Parking!.Id, second.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task Who_needs_more_room_than_there_is_keeps_its_place()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(3));
        (AcquireRequest last, _) = await GrantedAsync(Shared(3));
        AcquireRequest alone = await ParkedAsync(Store, "alone");

        await ReleasedAsync(lease);

        Assert.Equal(["alone"], await QueueAsync());
        Assert.Empty(await here.TurnsAsync());
        await ReleasedAsync(last);
        await here.TurnAsync(alone);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(alone, Cancellation)).Outcome);
    }

    [Fact]
    public async Task While_the_last_place_is_kept_the_next_learns_for_how_long()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Store, "first", limit: 2);
        await ParkedAsync(Store, "second", limit: 2);

        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        AssertTimeLeft((await here.TurnAsync(first)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["second"], await QueueAsync());
    }

    [Fact]
    public async Task A_turn_that_is_not_taken_while_the_last_place_is_kept_goes_to_the_next_with_the_time_that_remains()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Store, "first", limit: 2);
        AcquireRequest second = await ParkedAsync(Store, "second", limit: 2);
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        await here.TurnAsync(first);

        AssertNotHeld(await EndsItsWaitAsync(Store, first));

        AssertTimeLeft((await here.TurnAsync(second)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_look_at_a_lock_with_a_limit_sees_whether_it_has_room()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2, TimeSpan.FromSeconds(20)));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await ParkedAsync(Store, "first", limit: 2);
        AcquireRequest second = await ParkedAsync(Store, "second", limit: 2);

        LookResult look = await LookedAsync(second);

        Assert.Equal((false, second.Parking!.Since), (look.IsFree, look.ParkedSince));
        AssertTimeLeft(look.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["first", "second"], await QueueAsync());
        await ReleasedAsync(lease);
        await here.TurnAsync(first);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(second, Cancellation)).Outcome);
        Assert.Empty(await QueueAsync());
        Assert.False((await LookedAsync(first with { Limit = 1 })).IsFree);
        Assert.Equal(["first"], await QueueAsync());
    }

    [Fact]
    public async Task An_occurrence_runs_once_although_its_lock_has_room()
    {
        (AcquireRequest runner, _) = await GrantedAsync(Shared(3, occurrence: Occurrence()));
        await GrantedAsync(Shared(3, node: "another", occurrence: Occurrence(at: Noon.AddMinutes(1))));

        Assert.Equal((AcquireOutcome.OccurrenceRunning, 0), await OutcomeAsync(WithPlace(Shared(3, occurrence: Occurrence()))));
        Assert.Empty(await QueueAsync());

        (AcquireRequest third, _) = await GrantedAsync(Shared(3));
        AcquireRequest standby = WithPlace(Shared(3, node: "standby", occurrence: Occurrence()));
        (AcquireOutcome outcome, long since) = await OutcomeAsync(standby);
        Assert.Equal(AcquireOutcome.OccurrenceRunning, outcome);
        Assert.True(since > 0);
        Assert.Equal(["standby"], await QueueAsync());

        await ReleasedAsync(third);
        Assert.False((await LookedAsync(standby)).IsFree);

        await ReleasedAsync(runner, end: Succeeded(Occurrence()));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await OutcomeAsync(standby)).Outcome);
    }
}
