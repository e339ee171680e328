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
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Other, "second", limit);
        await QueuedAsync(Store, "third", limit);
        await ReleasedAsync(leases[0]);
        await here.WakeUpAsync(first);

        await UnacceptedAsync(first);

        Assert.Equal(TimeSpan.Zero, (await there.WakeUpAsync(second)).After);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(second, Cancellation)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await Store.AcquireAsync(first, Cancellation)).Outcome);
        Assert.Equal(["first", "third"], await QueueAsync());
    }

    [Fact]
    public async Task Three_at_most_are_woken_one_after_the_other_since_the_one_before_did_not_ask_and_a_poll_takes_its_time_then()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest[] parked = new AcquireRequest[6];
        for (int i = 0; i < parked.Length; i++)
        {
            parked[i] = await QueuedAsync(Store, $"waiter {i}");
        }

        await ReleasedAsync(lease);
        for (int i = 0; i < 4; i++)
        {
            await here.WakeUpAsync(parked[i]);
            await UnacceptedAsync(parked[i]);
        }

        Assert.Equal(parked.Take(4).Select(one => one.Waiter!.Id), await here.WakeUpsAsync());
        PollResult look = await PolledAsync(parked[5]);
        Assert.False(look.IsFree);
        AssertTimeLeft(look.TimeLeft, AcceptedWithin, TimeSpan.FromSeconds(5));

        // One that asks begins a new count.
        (lease, _) = await GrantedAsync(parked[2]);
        await ReleasedAsync(lease);
        await here.WakeUpAsync(parked[4]);
        await UnacceptedAsync(parked[4]);
        await here.WakeUpAsync(parked[5]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task No_other_is_woken_for_an_execution_that_has_asked_nor_beside_a_lock_that_is_taken(int limit)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        await QueuedAsync(Store, "second", limit);
        await ReleasedAsync(leases[0]);
        await here.WakeUpAsync(first);
        (AcquireRequest faster, _) = await GrantedAsync(Request(Name) with { Limit = limit });

        await UnacceptedAsync(first);

        Assert.Equal(["second"], await QueueAsync());
        await Store.AcquireAsync(first, Cancellation);
        await ReleasedAsync(faster);
        await here.WakeUpAsync(first, times: 2);
        await GrantedAsync(first);

        await UnacceptedAsync(first);

        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Waiter!.Id, first.Waiter.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task No_other_is_woken_for_an_execution_after_which_one_has_been_woken()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");
        AcquireRequest third = await QueuedAsync(Store, "third");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        await UnacceptedAsync(first);
        await here.WakeUpAsync(second);

        await UnacceptedAsync(first);

        Assert.Equal([first.Waiter!.Id, second.Waiter!.Id], await here.WakeUpsAsync());
        await UnacceptedAsync(second);
        await here.WakeUpAsync(third);
    }

    private async Task UnacceptedAsync(AcquireRequest woken) =>
        await Store.DeclineAsync(new DeclineRequest(woken.Name, NotAcceptedBy: woken.Waiter!.Id), Cancellation);
}
