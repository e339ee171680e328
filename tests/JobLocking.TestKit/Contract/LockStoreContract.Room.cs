using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Fact]
    public async Task The_release_of_one_of_several_wakes_the_oldest_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Store, "first", limit: 2);
        AcquireRequest second = await QueuedAsync(Store, "second", limit: 2);
        Assert.Equal(["first", "second"], await QueueAsync());

        await ReleasedAsync(lease);

        Assert.Equal(TimeSpan.Zero, (await here.WakeUpAsync(first)).After);
        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(first, Cancellation)).Outcome);
        Assert.Equal(["second"], await QueueAsync());
        await LeavesAsync(Store, second);
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_grant_that_leaves_room_wakes_the_next_waiter()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest alone, _) = await GrantedAsync();
        AcquireRequest[] queued = [await QueuedAsync(Store, "1", 2), await QueuedAsync(Store, "2", 2), await QueuedAsync(Store, "3", 2)];
        await ReleasedAsync(alone);
        await here.WakeUpAsync(queued[0]);
        Assert.Equal([queued[0].Waiter!.Id], await here.WakeUpsAsync());

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(queued[0], Cancellation)).Outcome);
        await here.WakeUpAsync(queued[1]);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(queued[1], Cancellation)).Outcome);

        Assert.Equal(["3"], await QueueAsync());
        Assert.Equal(queued.Take(2).Select(one => one.Waiter!.Id), await here.WakeUpsAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wake_up_that_is_not_used_goes_to_the_next_as_long_as_there_is_room(bool leaves)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Store, "first", limit: 2);
        AcquireRequest second = await QueuedAsync(Store, "second", limit: 2);
        await QueuedAsync(Store, "third", limit: 2);
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);

        await DeclinesAsync(first, leaves);

        await here.WakeUpAsync(second);
        await GrantedAsync(Shared(2));
        await DeclinesAsync(second, leaves);
        Assert.Equal(["third"], await QueueAsync());
        Assert.Equal([first.Waiter!.Id, second.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_waiter_that_needs_more_room_than_there_is_keeps_its_position()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(3));
        (AcquireRequest last, _) = await GrantedAsync(Shared(3));
        AcquireRequest alone = await QueuedAsync(Store, "alone");

        await ReleasedAsync(lease);

        Assert.Equal(["alone"], await QueueAsync());
        Assert.Empty(await here.WakeUpsAsync());
        await ReleasedAsync(last);
        await here.WakeUpAsync(alone);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(alone, Cancellation)).Outcome);
    }

    [Fact]
    public async Task While_the_last_slot_is_kept_the_next_waiter_is_woken_with_the_time_that_remains()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Store, "first", limit: 2);
        await QueuedAsync(Store, "second", limit: 2);

        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        AssertTimeLeft((await here.WakeUpAsync(first)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["second"], await QueueAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wake_up_that_is_not_used_while_the_last_slot_is_kept_goes_to_the_next_with_the_time_that_remains(bool leaves)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Store, "first", limit: 2);
        AcquireRequest second = await QueuedAsync(Store, "second", limit: 2);
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));
        await here.WakeUpAsync(first);

        await DeclinesAsync(first, leaves);

        AssertTimeLeft((await here.WakeUpAsync(second)).After, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_poll_of_a_lock_with_a_limit_finds_whether_it_has_room()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2, TimeSpan.FromSeconds(20)));
        await GrantedAsync(Shared(2));
        AcquireRequest first = await QueuedAsync(Store, "first", limit: 2);
        AcquireRequest second = await QueuedAsync(Store, "second", limit: 2);

        PollResult poll = await PolledAsync(second);

        Assert.Equal((false, second.Waiter!.Since), (poll.IsFree, poll.QueuedSince));
        AssertTimeLeft(poll.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["first", "second"], await QueueAsync());
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(second, Cancellation)).Outcome);
        Assert.Empty(await QueueAsync());
        Assert.False((await PolledAsync(first with { Limit = 1 })).IsFree);
        Assert.Equal(["first"], await QueueAsync());
    }

    [Fact]
    public async Task An_occurrence_runs_once_although_its_lock_has_room()
    {
        (AcquireRequest runner, _) = await GrantedAsync(Shared(3, occurrence: Occurrence()));
        await GrantedAsync(Shared(3, node: "another", occurrence: Occurrence(at: Noon.AddMinutes(1))));

        Assert.Equal((AcquireOutcome.OccurrenceRunning, 0), await OutcomeAsync(AsWaiter(Shared(3, occurrence: Occurrence()))));
        Assert.Empty(await QueueAsync());

        (AcquireRequest third, _) = await GrantedAsync(Shared(3));
        AcquireRequest standby = AsWaiter(Shared(3, node: "standby", occurrence: Occurrence()));
        (AcquireOutcome outcome, long since) = await OutcomeAsync(standby);
        Assert.Equal(AcquireOutcome.OccurrenceRunning, outcome);
        Assert.True(since > 0);
        Assert.Equal(["standby"], await QueueAsync());

        await ReleasedAsync(third);
        Assert.False((await PolledAsync(standby)).IsFree);

        await ReleasedAsync(runner, end: Succeeded(Occurrence()));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await OutcomeAsync(standby)).Outcome);
    }
}
