using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <content>What becomes of a wake-up whose execution does not ask for the lock, although its process lives.</content>
public abstract partial class LockStoreContract
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_woken_execution_that_does_not_ask_lets_the_oldest_of_all_be_woken_and_keeps_its_position(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        AcquireRequest second = await ParkedAsync(Other, "second", limit);
        await ParkedAsync(Store, "third", limit);
        await ReleasedAsync(leases[0]);
        await here.TurnAsync(first);

        await UnacceptedAsync(first);

        Assert.Equal(TimeSpan.Zero, (await there.TurnAsync(second)).After);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(second, Cancellation)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await Store.AcquireAsync(first, Cancellation)).Outcome);
        Assert.Equal(["first", "third"], await QueueAsync());
    }

    [Fact]
    public async Task Three_at_most_are_woken_one_after_the_other_since_the_one_before_did_not_ask_and_a_look_takes_its_time_then()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest[] parked = new AcquireRequest[6];
        for (int i = 0; i < parked.Length; i++)
        {
            parked[i] = await ParkedAsync(Store, $"waiter {i}");
        }

        await ReleasedAsync(lease);
        for (int i = 0; i < 4; i++)
        {
            await here.TurnAsync(parked[i]);
            await UnacceptedAsync(parked[i]);
        }

        Assert.Equal(parked.Take(4).Select(one => one.Parking!.Id), await here.TurnsAsync());
        LookResult look = await LookedAsync(parked[5]);
        Assert.False(look.IsFree);
        AssertTimeLeft(look.TimeLeft, AcceptedWithin, TimeSpan.FromSeconds(5));

        // One that asks begins a new count.
        (lease, _) = await GrantedAsync(parked[2]);
        await ReleasedAsync(lease);
        await here.TurnAsync(parked[4]);
        await UnacceptedAsync(parked[4]);
        await here.TurnAsync(parked[5]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task No_other_is_woken_for_an_execution_that_has_asked_nor_beside_a_lock_that_is_taken(int limit)
    {
        await using Notices here = await Notices.OfAsync(Store);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await ParkedAsync(Store, "first", limit);
        await ParkedAsync(Store, "second", limit);
        await ReleasedAsync(leases[0]);
        await here.TurnAsync(first);
        (AcquireRequest faster, _) = await GrantedAsync(Request(Name) with { Limit = limit });

        await UnacceptedAsync(first);

        Assert.Equal(["second"], await QueueAsync());
        await Store.AcquireAsync(first, Cancellation);
        await ReleasedAsync(faster);
        await here.TurnAsync(first, times: 2);
        await GrantedAsync(first);

        await UnacceptedAsync(first);

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Parking!.Id, first.Parking.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task No_other_is_woken_for_an_execution_after_which_one_has_been_woken()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        AcquireRequest third = await ParkedAsync(Store, "third");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);
        await UnacceptedAsync(first);
        await here.TurnAsync(second);

        await UnacceptedAsync(first);

        Assert.Equal([first.Parking!.Id, second.Parking!.Id], await here.TurnsAsync());
        await UnacceptedAsync(second);
        await here.TurnAsync(third);
    }

    private async Task UnacceptedAsync(AcquireRequest woken) =>
        await Store.ReleaseAsync(new ReleaseRequest(woken.Name, LeaseId: null, Limit: woken.Limit, Unaccepted: woken.Parking!.Id), Cancellation);
}
