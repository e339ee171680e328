using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    /// <summary>The safety poll of a waiter.</summary>
    protected static PollRequest PollOf(AcquireRequest queued) =>
        new(queued.Name, queued.Limit, queued.Waiter!, queued.Holder, queued.Occurrence);

    private async Task<PollResult> PolledAsync(AcquireRequest queued, ILockStore? store = null) =>
        await (store ?? Store).PollAsync(PollOf(queued), Cancellation);

    /// <summary>The polled waiter should try; if it does not, it is polled again soon.</summary>
    private static void AssertFree(PollResult poll, bool wasQueued)
    {
        Assert.Equal((true, 0, wasQueued), (poll.IsFree, poll.QueuedSince, poll.WasQueued));
        AssertTimeLeft(poll.TimeLeft, TimeSpan.Zero, AcceptedWithin);
    }

    [Fact]
    public async Task A_poll_of_a_free_lock_says_so_and_neither_acquires_it_nor_queues_the_waiter()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");
        await DieAsync(lease);

        AssertFree(await Eventually.SeesAsync(() => PolledAsync(first), poll => poll.IsFree), wasQueued: true);

        await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());
    }

    [Fact]
    public async Task A_poll_of_a_lock_that_was_never_acquired_finds_it_free() =>
        AssertFree(await PolledAsync(AsWaiter(Request(Name))), wasQueued: false);

    [Fact]
    public async Task A_poll_of_a_taken_lock_says_for_how_long_and_changes_no_position()
    {
        await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        AcquireRequest second = await QueuedAsync(Store, "second");

        PollResult poll = await PolledAsync(first);

        Assert.Equal((false, first.Waiter!.Since), (poll.IsFree, poll.QueuedSince));
        AssertTimeLeft(poll.TimeLeft, TimeSpan.Zero, AMinute);
        Assert.Equal(second.Waiter!.Since, (await PolledAsync(second)).QueuedSince);
        Assert.Equal(["first", "second"], await QueueAsync());
    }

    [Fact]
    public async Task A_poll_of_a_taken_lock_puts_a_lost_waiter_back_at_its_position()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await QueuedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.WakeUpAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());

        Assert.Equal(first.Waiter!.Since, (await PolledAsync(first, Other)).QueuedSince);

        Assert.Equal(["first", "second"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await there.WakeUpAsync(first);
        Assert.Equal([first.Waiter!.Id], await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_poll_leaves_alone_a_waiter_that_another_process_has_queued_meanwhile()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest waits = await QueuedAsync(Store, "waits");
        AcquireRequest moved = waits with { Holder = Holder("moved") };
        await Other.AcquireAsync(moved, Cancellation);

        PollResult poll = await PolledAsync(waits);

        Assert.Equal((false, waits.Waiter!.Since), (poll.IsFree, poll.QueuedSince));
        Assert.Equal(["moved"], await QueueAsync());
        await ReleasedAsync(lease);
        await there.WakeUpAsync(moved);
        Assert.Empty(await here.WakeUpsAsync());
    }

    [Fact]
    public async Task A_poll_queues_a_waiter_that_has_lapsed_in_another_process()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest waits = await QueuedAsync(Other, "waits", lapsesAfter: AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(QueueAsync, queue => queue.Count == 0);

        await PolledAsync(waits with { Waiter = waits.Waiter! with { LapsesAfter = AMinute } });

        Assert.Equal(["waits"], await QueueAsync());
        await ReleasedAsync(lease);
        await here.WakeUpAsync(waits);
    }

    [Fact]
    public async Task A_poll_of_a_lock_whose_holder_died_finds_it_free()
    {
        await GrantedAsync(AMoment);
        AcquireRequest waits = AsWaiter(Request(Name, node: "waits"));
        await Store.AcquireAsync(waits, Cancellation);
        await PassAsync(AMoment);

        await Eventually.SeesAsync(() => PolledAsync(waits), poll => poll.IsFree);

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(waits, Cancellation)).Outcome);
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_poll_lets_the_waiter_lapse_later()
    {
        await GrantedAsync();
        AcquireRequest waits = AsWaiter(Request(Name, node: "first"), AMoment);
        long since = (await Store.AcquireAsync(waits, Cancellation)).QueuedSince;
        await QueuedAsync(Store, "second", lapsesAfter: AMoment);

        await PolledAsync(waits with { Waiter = new WaiterEntry(waits.Waiter!.Id, AMinute, since) });
        await PassAsync(AMoment);

        await Eventually.SeesAsync(QueueAsync, queue => queue.SequenceEqual(["first"]));
    }

    [Fact]
    public async Task A_poll_of_a_kept_lock_says_for_how_long()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Store, "first");
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        PollResult poll = await PolledAsync(first);

        Assert.Equal((false, first.Waiter!.Since), (poll.IsFree, poll.QueuedSince));
        AssertTimeLeft(poll.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["first"], await QueueAsync());
    }

    [Fact]
    public async Task A_standby_is_queued_and_woken_when_the_run_ends()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest runner, _) = await GrantedAsync(occurrence: Occurrence());
        AcquireRequest standby = AsWaiter(Request(Name, node: "standby", occurrence: Occurrence()));

        AcquireResult result = await Store.AcquireAsync(standby, Cancellation);

        Assert.Equal(AcquireOutcome.OccurrenceRunning, result.Outcome);
        Assert.True(result.QueuedSince > 0);
        Assert.Equal(["standby"], await QueueAsync());
        await ReleasedAsync(runner, end: Succeeded(Occurrence()));
        await here.WakeUpAsync(standby);
        Assert.Equal((AcquireOutcome.OccurrenceSucceeded, 0), await OutcomeAsync(standby));
    }

    [Fact]
    public async Task A_standby_for_a_free_lock_is_not_queued()
    {
        (_, long token) = await GrantedAsync(occurrence: Occurrence());
        await Store.BreakAsync(Name, token, Cancellation);

        Assert.Equal((AcquireOutcome.OccurrenceRunning, 0), await OutcomeAsync(AsWaiter(Request(Name, occurrence: Occurrence()))));

        await GrantedAsync();
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task An_execution_that_need_not_run_is_not_queued_although_the_lock_is_taken()
    {
        foreach ((OccurrenceEnd end, AcquireOutcome outcome) in new[]
        {
            (Succeeded(Occurrence(job: "done")), AcquireOutcome.OccurrenceSucceeded),
            (Failed(Occurrence(job: "failed")), AcquireOutcome.OccurrenceFailed),
        })
        {
            (AcquireRequest lease, long token) = await GrantedAsync(occurrence: end.Occurrence);
            await ReleasedAsync(lease, keepFor: AMinute, end: end);

            Assert.Equal((outcome, 0), await OutcomeAsync(AsWaiter(Request(Name, occurrence: end.Occurrence))));

            Assert.Empty(await QueueAsync());
            await Store.BreakAsync(Name, token, Cancellation);
        }
    }

    [Fact]
    public async Task A_poll_for_an_occurrence_that_runs_elsewhere_says_for_how_long_although_the_lock_is_free()
    {
        (AcquireRequest runner, long token) = await GrantedAsync(occurrence: Occurrence());
        AcquireRequest standby = AsWaiter(Request(Name, node: "standby", occurrence: Occurrence()));
        long since = (await Store.AcquireAsync(standby, Cancellation)).QueuedSince;
        standby = standby with { Waiter = standby.Waiter! with { Since = since } };
        await Store.BreakAsync(Name, token, Cancellation);

        PollResult poll = await PolledAsync(standby);

        // It is not queued: it could not use a wake-up.
        Assert.Equal((false, 0), (poll.IsFree, poll.QueuedSince));
        AssertTimeLeft(poll.TimeLeft, TimeSpan.Zero, AMinute);
        await ReleasedAsync(runner, end: Unfinished(Occurrence()));
        Assert.True((await PolledAsync(standby)).IsFree);
    }

    [Fact]
    public async Task A_poll_for_an_occurrence_that_has_been_run_tells_its_waiter_to_try()
    {
        (AcquireRequest runner, _) = await GrantedAsync(occurrence: Occurrence());
        AcquireRequest standby = AsWaiter(Request(Name, node: "standby", occurrence: Occurrence()));
        await Store.AcquireAsync(standby, Cancellation);
        await ReleasedAsync(runner, end: Succeeded(Occurrence()));

        Assert.True((await PolledAsync(standby)).IsFree);
    }

    [Fact]
    public async Task The_list_shows_the_waiters_and_since_when_they_wait()
    {
        await GrantedAsync();
        AcquireRequest first = await QueuedAsync(Other, "first");
        AcquireRequest second = await QueuedAsync(Store, "Büro \"2\":{}\n");

        HeldLock held = Assert.Single(await ListedAsync(Name));

        Assert.Equal(
            new[] { first, second }.Select(one => new LockWaiter(one.Holder, DateTimeOffset.UnixEpoch.AddMicroseconds(one.Waiter!.Since))),
            held.Waiters);
    }

    [Theory]
    [MemberData(nameof(HostileNames))]
    public async Task A_hostile_name_has_a_queue_like_any_other(string hostile)
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync(Request(hostile));
        AcquireRequest waits = AsWaiter(Request(hostile, node: "waits"));
        await Store.AcquireAsync(waits, Cancellation);
        Assert.Equal("waits", Assert.Single(Assert.Single(await ListedAsync(hostile)).Waiters).Description.Node);

        await ReleasedAsync(lease);

        await here.WakeUpAsync(waits);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Each_of_many_waiters_is_woken_and_none_needs_to_poll(int limit)
    {
        const int Workers = 12;
        const int Runs = 15;
        ConcurrentDictionary<string, SemaphoreSlim> wakeUps = new();
        SemaphoreSlim WakeUpOf(string waiterId) => wakeUps.GetOrAdd(waiterId, _ => new SemaphoreSlim(0));
        void OnNotification(LockNotification notification) => WakeUpOf(((LockNotification.WakeUp)notification).WaiterId).Release();
        await using IAsyncDisposable here = await Store.SubscribeAsync(OnNotification, Cancellation);
        await using IAsyncDisposable there = await Other.SubscribeAsync(OnNotification, Cancellation);
        using SemaphoreSlim room = new(limit);
        int runs = 0;

        async Task WorkAsync(ILockStore store)
        {
            AcquireRequest asks = AsWaiter(Request(Name) with { Limit = limit });
            for (AcquireResult answer; (answer = await store.AcquireAsync(asks, Cancellation)).Outcome != AcquireOutcome.Granted;)
            {
                asks = asks with { Waiter = asks.Waiter! with { Since = answer.QueuedSince } };
                Assert.True(await WakeUpOf(asks.Waiter.Id).WaitAsync(Eventually.DefaultTimeout, Cancellation), "The wake-up did not come.");
            }

            Assert.True(await room.WaitAsync(0, Cancellation), "More hold the lock than may.");
            await Task.Yield();
            Interlocked.Increment(ref runs);
            room.Release();
            await store.ReleaseAsync(LockRequests.Release(asks), Cancellation);
        }

        await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(
            async () =>
            {
                for (int run = 0; run < Runs; run++)
                {
                    await WorkAsync(worker % 2 == 0 ? Store : Other);
                }
            },
            Cancellation)));

        Assert.Equal(Workers * Runs, runs);
    }

    private async Task<(AcquireOutcome Outcome, long QueuedSince)> OutcomeAsync(AcquireRequest request)
    {
        AcquireResult result = await Store.AcquireAsync(request, Cancellation);
        return (result.Outcome, result.QueuedSince);
    }
}
