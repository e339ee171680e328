using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    private static OtherWaiter PlaceOf(AcquireRequest parked) => new(parked.Waiter!, parked.Limit, parked.Holder);

    private async Task<PollResult> PolledForAllAsync(AcquireRequest parked, params AcquireRequest[] others) =>
        await Store.PollAsync(PollOf(parked) with { Others = [.. others.Select(PlaceOf)] }, Cancellation);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_says_whether_its_place_was_there(int limit)
    {
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest waits = await QueuedAsync(Store, "waits", limit);

        Assert.True((await PolledForAllAsync(waits)).WasQueued);
        await LeavesAsync(Store, waits);
        Assert.False((await PolledForAllAsync(waits)).WasQueued);
        Assert.True((await PolledForAllAsync(waits)).WasQueued);

        await LeavesAsync(Store, waits);
        await ReleasedAsync(leases[0]);
        AssertFree(await PolledForAllAsync(waits), wasQueued: false);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_says_that_its_place_was_not_there_if_it_had_lapsed(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest waits = await QueuedAsync(Store, "waits", limit, AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        Assert.False((await PolledForAllAsync(waits)).WasQueued);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_gives_other_places_back_in_their_order(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        AcquireRequest third = await QueuedAsync(Store, "third", limit);
        await LeavesAsync(Store, first);
        await LeavesAsync(Store, second);
        await LeavesAsync(Store, third);

        PollResult look = await PolledForAllAsync(first, third, second);

        Assert.Equal((false, first.Waiter!.Since, false), (look.IsFree, look.QueuedSince, look.WasQueued));
        Assert.Equal([third.Waiter!.Since, second.Waiter!.Since], look.Others);
        Assert.Equal(["first", "second", "third"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_finds_room_makes_sure_of_the_other_places_all_the_same(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        AcquireRequest third = await QueuedAsync(Store, "third", limit);
        await LeavesAsync(Store, first);
        await LeavesAsync(Store, second);
        await LeavesAsync(Store, third);
        await ReleasedAsync(leases[0]);

        Assert.True((await PolledForAllAsync(first, second, third)).IsFree);

        AcquireRequest newcomer = Request(Name) with { Limit = limit };
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(newcomer, Cancellation)).Outcome);
        Assert.Equal(["second", "third"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await here.WakeUpAsync(second);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_leaves_another_place_alone_that_another_process_has_given_meanwhile(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest looks = await QueuedAsync(Store, "looks", limit);
        AcquireRequest waits = await QueuedAsync(Store, "waits", limit);
        await Other.AcquireAsync(waits with { Holder = Holder("moved") }, Cancellation);

        await PolledForAllAsync(looks, waits);

        Assert.Equal(["looks", "moved"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_finds_room_leaves_its_place_alone_that_another_process_has_given_meanwhile(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest waits = await QueuedAsync(Store, "waits", limit);
        AcquireRequest moved = waits with { Holder = Holder("moved") };
        await Other.AcquireAsync(moved, Cancellation);
        await ReleasedAsync(leases[0]);
        await here.WakeUpAsync(first);

        // That wake-up is not accepted.
        await PassAsync(AcceptedWithin);
        await Eventually.SeesAsync(() => PolledForAllAsync(waits), look => look.IsFree);

        AcquireRequest newcomer = Request(Name) with { Limit = limit };
        await GrantedAsync(newcomer);
        Assert.Equal(["moved"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await there.WakeUpAsync(moved);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_without_patience_gives_no_place_and_takes_none(int limit)
    {
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        await LeavesAsync(Store, first);

        PollResult lost = await PolledForAllAsync(LapsingAtOnce(first));
        PollResult parked = await PolledForAllAsync(LapsingAtOnce(second));

        Assert.Equal((false, 0, false), (lost.IsFree, lost.QueuedSince, lost.WasQueued));
        AssertTimeLeft(lost.TimeLeft, TimeSpan.Zero, AMinute);
        Assert.Equal((false, second.Waiter!.Since, true), (parked.IsFree, parked.QueuedSince, parked.WasQueued));
        Assert.Equal(["second"], await QueueAsync());
        await ReleasedAsync(leases[0]);
        await Eventually.SeesAsync(() => PolledForAllAsync(LapsingAtOnce(first)), look => look is { IsFree: true, WasQueued: false });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_without_patience_does_not_take_the_place_that_has_lapsed_in_another_process(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest waits = await QueuedAsync(Other, "waits", limit, AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        Assert.Equal(0, (await PolledForAllAsync(LapsingAtOnce(waits))).QueuedSince);

        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_poll_makes_sure_of_a_hundred_other_places()
    {
        await GrantedAsync();
        AcquireRequest looks = await QueuedAsync(Store, "looks");
        AcquireRequest[] others = [.. Enumerable.Range(0, 100).Select(i => WithPlace(Request(Name, node: $"{i:000}")))];
        others = [.. others.Select((other, i) => other with { Waiter = other.Waiter! with { Since = looks.Waiter!.Since + 1 + i } })];

        PollResult look = await PolledForAllAsync(looks, others);

        Assert.Equal(others.Select(other => other.Waiter!.Since), look.Others!);
        Assert.Equal(["looks", .. others.Select(other => other.Holder.Node)], await QueueAsync());
    }

    private static AcquireRequest LapsingAtOnce(AcquireRequest parked) => parked with { Waiter = parked.Waiter! with { LapsesAfter = TimeSpan.Zero } };

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
