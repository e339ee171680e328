using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <content>What happens to a wake-up whose waiter does not ask for the lock although its process is alive.</content>
public abstract partial class LockStoreContract
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_woken_waiter_that_does_not_ask_lets_the_oldest_be_woken_and_keeps_its_position(int limit)
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
    public async Task At_most_three_are_woken_in_a_row_after_a_wake_up_that_was_not_accepted_and_then_a_poll_leaves_more_time()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest[] queued = new AcquireRequest[6];
        for (int i = 0; i < queued.Length; i++)
        {
            queued[i] = await QueuedAsync(Store, $"waiter {i}");
        }

        await ReleasedAsync(lease);
        for (int i = 0; i < 4; i++)
        {
            await here.WakeUpAsync(queued[i]);
            await UnacceptedAsync(queued[i]);
        }

        Assert.Equal(queued.Take(4).Select(one => one.Waiter!.Id), await here.WakeUpsAsync());
        PollResult poll = await PolledAsync(queued[5]);
        Assert.False(poll.IsFree);
        AssertTimeLeft(poll.TimeLeft, AcceptedWithin, TimeSpan.FromSeconds(5));

        // A waiter that asks starts the count again.
        (lease, _) = await GrantedAsync(queued[2]);
        await ReleasedAsync(lease);
        await here.WakeUpAsync(queued[4]);
        await UnacceptedAsync(queued[4]);
        await here.WakeUpAsync(queued[5]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task No_other_waiter_is_woken_for_one_that_has_asked_or_while_the_lock_is_taken(int limit)
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
    public async Task No_other_waiter_is_woken_for_one_after_which_another_was_woken()
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
