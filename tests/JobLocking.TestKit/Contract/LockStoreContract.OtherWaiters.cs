using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    private static OtherWaiter OtherOf(AcquireRequest queued) => new(queued.Waiter!, queued.Limit, queued.Holder);

    private async Task<PollResult> PolledForAllAsync(AcquireRequest queued, params AcquireRequest[] others) =>
        await Store.PollAsync(PollOf(queued) with { Others = [.. others.Select(OtherOf)] }, Cancellation);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_says_whether_its_waiter_was_queued(int limit)
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
    public async Task A_poll_says_that_its_waiter_was_not_queued_if_it_had_lapsed(int limit)
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
    public async Task A_poll_puts_other_waiters_back_in_their_order(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        AcquireRequest third = await QueuedAsync(Store, "third", limit);
        await LeavesAsync(Store, first);
        await LeavesAsync(Store, second);
        await LeavesAsync(Store, third);

        PollResult poll = await PolledForAllAsync(first, third, second);

        Assert.Equal((false, first.Waiter!.Since, false), (poll.IsFree, poll.QueuedSince, poll.WasQueued));
        Assert.Equal([third.Waiter!.Since, second.Waiter!.Since], poll.Others);
        Assert.Equal(["first", "second", "third"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_finds_room_also_makes_sure_that_the_other_waiters_are_queued(int limit)
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
    public async Task A_poll_leaves_alone_other_waiters_that_another_process_has_queued_meanwhile(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest polled = await QueuedAsync(Store, "polled", limit);
        AcquireRequest waits = await QueuedAsync(Store, "waits", limit);
        await Other.AcquireAsync(waits with { Holder = Holder("moved") }, Cancellation);

        await PolledForAllAsync(polled, waits);

        Assert.Equal(["polled", "moved"], await QueueAsync());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_finds_room_leaves_its_waiter_alone_if_another_process_has_queued_it_meanwhile(int limit)
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
        await Eventually.SeesAsync(() => PolledForAllAsync(waits), poll => poll.IsFree);

        AcquireRequest newcomer = Request(Name) with { Limit = limit };
        await GrantedAsync(newcomer);
        Assert.Equal(["moved"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await there.WakeUpAsync(moved);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_lapses_at_once_neither_queues_its_waiter_nor_takes_it_out(int limit)
    {
        AcquireRequest[] leases = await FilledAsync(limit);
        AcquireRequest first = await QueuedAsync(Store, "first", limit);
        AcquireRequest second = await QueuedAsync(Store, "second", limit);
        await LeavesAsync(Store, first);

        PollResult lost = await PolledForAllAsync(LapsingAtOnce(first));
        PollResult queued = await PolledForAllAsync(LapsingAtOnce(second));

        Assert.Equal((false, 0, false), (lost.IsFree, lost.QueuedSince, lost.WasQueued));
        AssertTimeLeft(lost.TimeLeft, TimeSpan.Zero, AMinute);
        Assert.Equal((false, second.Waiter!.Since, true), (queued.IsFree, queued.QueuedSince, queued.WasQueued));
        Assert.Equal(["second"], await QueueAsync());
        await ReleasedAsync(leases[0]);
        await Eventually.SeesAsync(() => PolledForAllAsync(LapsingAtOnce(first)), poll => poll is { IsFree: true, WasQueued: false });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_poll_that_lapses_at_once_does_not_queue_a_waiter_that_has_lapsed_in_another_process(int limit)
    {
        await FilledAsync(limit);
        AcquireRequest waits = await QueuedAsync(Other, "waits", limit, AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        Assert.Equal(0, (await PolledForAllAsync(LapsingAtOnce(waits))).QueuedSince);

        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_poll_makes_sure_that_a_hundred_other_waiters_are_queued()
    {
        await GrantedAsync();
        AcquireRequest polled = await QueuedAsync(Store, "polled");
        AcquireRequest[] others = [.. Enumerable.Range(0, 100).Select(i => AsWaiter(Request(Name, node: $"{i:000}")))];
        others = [.. others.Select((other, i) => other with { Waiter = other.Waiter! with { Since = polled.Waiter!.Since + 1 + i } })];

        PollResult poll = await PolledForAllAsync(polled, others);

        Assert.Equal(others.Select(other => other.Waiter!.Since), poll.Others!);
        Assert.Equal(["polled", .. others.Select(other => other.Holder.Node)], await QueueAsync());
    }

    private static AcquireRequest LapsingAtOnce(AcquireRequest queued) =>
        queued with { Waiter = queued.Waiter! with { LapsesAfter = TimeSpan.Zero } };

    // As many leases hold the lock as its limit allows.
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
