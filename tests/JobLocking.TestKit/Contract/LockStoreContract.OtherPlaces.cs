using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    private static OtherPlace PlaceOf(AcquireRequest parked) => new(parked.Parking!, parked.Limit, parked.Holder);

    private async Task<LookResult> LookedForAllAsync(AcquireRequest parked, params AcquireRequest[] others) =>
        await Store.LookAsync(LookOf(parked) with { Others = [.. others.Select(PlaceOf)] }, Cancellation);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_says_whether_its_place_was_there(int limit)
    {
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest waits = await ParkedAsync(Store, "waits", limit);

        Assert.True((await LookedForAllAsync(waits)).WasParked);
        await EndsItsWaitAsync(Store, waits);
        Assert.False((await LookedForAllAsync(waits)).WasParked);
        Assert.True((await LookedForAllAsync(waits)).WasParked);

        await EndsItsWaitAsync(Store, waits);
        await ReleasedAsync(leases[0]);
        AssertFree(await LookedForAllAsync(waits), wasParked: false);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_says_that_its_place_was_not_there_if_it_had_lapsed(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest waits = await ParkedAsync(Store, "waits", limit, AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        Assert.False((await LookedForAllAsync(waits)).WasParked);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_gives_other_places_back_in_their_order(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        AcquireRequest second = await ParkedAsync(Store, "second", limit);
        AcquireRequest third = await ParkedAsync(Store, "third", limit);
        await EndsItsWaitAsync(Store, first);
        await EndsItsWaitAsync(Store, second);
        await EndsItsWaitAsync(Store, third);

        LookResult look = await LookedForAllAsync(first, third, second);

        Assert.Equal((false, first.Parking!.Since, false), (look.IsFree, look.ParkedSince, look.WasParked));
        Assert.Equal([third.Parking!.Since, second.Parking!.Since], look.Others);
        Assert.Equal(["first", "second", "third"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_that_finds_room_makes_sure_of_the_other_places_all_the_same(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        AcquireRequest second = await ParkedAsync(Store, "second", limit);
        AcquireRequest third = await ParkedAsync(Store, "third", limit);
        await EndsItsWaitAsync(Store, first);
        await EndsItsWaitAsync(Store, second);
        await EndsItsWaitAsync(Store, third);
        await ReleasedAsync(leases[0]);

        Assert.True((await LookedForAllAsync(first, second, third)).IsFree);

        AcquireRequest newcomer = Request(Name) with { Limit = limit };
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(newcomer, Cancellation)).Outcome);
        Assert.Equal(["second", "third"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await here.TurnAsync(second);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_leaves_another_place_alone_that_another_process_has_given_meanwhile(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest looks = await ParkedAsync(Store, "looks", limit);
        AcquireRequest waits = await ParkedAsync(Store, "waits", limit);
        await Other.AcquireAsync(waits with { Holder = Holder("moved") }, Cancellation);

        await LookedForAllAsync(looks, waits);

        Assert.Equal(["looks", "moved"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_that_finds_room_leaves_its_place_alone_that_another_process_has_given_meanwhile(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        AcquireRequest waits = await ParkedAsync(Store, "waits", limit);
        AcquireRequest moved = waits with { Holder = Holder("moved") };
        await Other.AcquireAsync(moved, Cancellation);
        await ReleasedAsync(leases[0]);
        await here.TurnAsync(first);

        // That wake-up is not accepted.
        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => LookedForAllAsync(waits), look => look.IsFree);

        AcquireRequest newcomer = Request(Name) with { Limit = limit };
        await GrantedAsync(newcomer);
        Assert.Equal(["moved"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await there.TurnAsync(moved);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_without_patience_gives_no_place_and_takes_none(int limit)
    {
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        AcquireRequest second = await ParkedAsync(Store, "second", limit);
        await EndsItsWaitAsync(Store, first);

        LookResult lost = await LookedForAllAsync(WithoutPatience(first));
        LookResult parked = await LookedForAllAsync(WithoutPatience(second));

        Assert.Equal((false, 0, false), (lost.IsFree, lost.ParkedSince, lost.WasParked));
        AssertTimeLeft(lost.TimeLeft, TimeSpan.Zero, AMinute);
        Assert.Equal((false, second.Parking!.Since, true), (parked.IsFree, parked.ParkedSince, parked.WasParked));
        Assert.Equal(["second"], await QueueAsync());
        await ReleasedAsync(leases[0]);
        await Eventually.SeesAsync(() => LookedForAllAsync(WithoutPatience(first)), look => look is { IsFree: true, WasParked: false });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_look_without_patience_does_not_take_the_place_that_has_lapsed_in_another_process(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest waits = await ParkedAsync(Other, "waits", limit, AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        Assert.Equal(0, (await LookedForAllAsync(WithoutPatience(waits))).ParkedSince);

        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_look_makes_sure_of_a_hundred_other_places()
    {
        await GrantedAsync();
        AcquireRequest looks = await ParkedAsync(Store, "looks");
        AcquireRequest[] others = [.. Enumerable.Range(0, 100).Select(i => WithPlace(Request(Name, node: $"{i:000}")))];
        others = [.. others.Select((other, i) => other with { Parking = other.Parking! with { Since = looks.Parking!.Since + 1 + i } })];

        LookResult look = await LookedForAllAsync(looks, others);

        Assert.Equal(others.Select(other => other.Parking!.Since), look.Others!);
        Assert.Equal(["looks", .. others.Select(other => other.Holder.Node)], await QueueAsync());
    }

    private static AcquireRequest WithoutPatience(AcquireRequest parked) => parked with { Parking = parked.Parking! with { Patience = TimeSpan.Zero } };

    // As many hold the lock as may.
    private async Task<AcquireRequest[]> FilledAsync(int limit)
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Request(Name) with { Limit = limit })];
        foreach (AcquireRequest lease in leases)
        {
            await GrantedAsync(lease);
        }

        return leases;
    }
}
