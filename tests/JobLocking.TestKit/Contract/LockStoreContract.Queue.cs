using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    /// <summary>Whether the store finds out that nobody listens where it gives a turn, and gives it to the next.</summary>
    protected virtual bool KnowsWhoListens => true;

    protected static AcquireRequest WithPlace(AcquireRequest request, TimeSpan? patience = null) =>
        request with { Parking = new Parking(NewLeaseId(), patience ?? AMinute) };

    /// <summary>Asks for a taken lock and is parked.</summary>
    /// <returns>What to ask with again, for the same place.</returns>
    protected async Task<AcquireRequest> ParkedAsync(ILockStore store, string node, int limit = 1, TimeSpan? patience = null)
    {
        AcquireRequest request = WithPlace(Request(Name, node: node) with { Limit = limit }, patience);
        AcquireResult result = await store.AcquireAsync(request, Cancellation);
        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.True(result.ParkedSince > 0);
        return request with { Parking = request.Parking! with { Since = result.ParkedSince } };
    }

    /// <summary>Ends a wait: leaves the queue, or passes on a turn.</summary>
    protected static async Task<ReleaseOutcome> EndsItsWaitAsync(ILockStore store, AcquireRequest parked) =>
        await store.ReleaseAsync(new ReleaseRequest(parked.Name, null, Limit: parked.Limit, ParkingId: parked.Parking!.Id), Cancellation);

    /// <summary>The nodes in the queue of a lock that is held, as it is shown beside each holder.</summary>
    protected async Task<IReadOnlyList<string>> QueueAsync()
    {
        List<HeldLock> held = await ListedAsync(Name);
        Assert.NotEmpty(held);
        Assert.All(held, one => Assert.Equal(held[0].Parked, one.Parked));
        return [.. held[0].Parked.Select(parked => parked.Waiter.Node)];
    }

    [Fact]
    public async Task The_turns_go_to_the_oldest_first_each_in_its_process()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Other, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        AcquireRequest third = await ParkedAsync(Other, "third");
        Assert.Equal(["first", "second", "third"], await QueueAsync());

        foreach ((AcquireRequest next, ILockStore store, Notices told) in new[] { (first, Other, there), (second, Store, here), (third, Other, there) })
        {
            await ReleasedAsync(lease);
            Assert.Equal(TimeSpan.Zero, (await told.TurnAsync(next)).After);
            Assert.Equal(AcquireOutcome.Granted, (await store.AcquireAsync(next, Cancellation)).Outcome);
            lease = next;
        }

        Assert.Equal([second.Parking!.Id], await here.TurnsAsync());
        Assert.Equal([first.Parking!.Id, third.Parking!.Id], await there.TurnsAsync());
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task A_release_takes_one_out_of_the_queue()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        await ParkedAsync(Store, "second");

        await ReleasedAsync(lease);

        await here.TurnAsync(first);
        await GrantedAsync();
        Assert.Equal(["second"], await QueueAsync());
        Assert.Equal([first.Parking!.Id], await here.TurnsAsync());
    }

    [Fact]
    public async Task A_release_that_nobody_waits_for_tells_nobody()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        await AskedByAnotherAsync(Name);

        await ReleasedAsync(lease);

        Assert.Empty(await here.TurnsAsync());
    }

    [Fact]
    public async Task Who_tries_once_is_not_parked()
    {
        await GrantedAsync();

        Assert.Equal(0, (await AskedByAnotherAsync(Name)).ParkedSince);

        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task Who_is_granted_is_not_parked()
    {
        AcquireResult free = await Store.AcquireAsync(WithPlace(Request(Name)), Cancellation);

        Assert.Equal((AcquireOutcome.Granted, 0), (free.Outcome, free.ParkedSince));
        Assert.Empty(await QueueAsync());
    }

    [Fact]
    public async Task Who_is_faster_than_the_one_whose_turn_it_is_has_left_the_queue()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await ParkedAsync(Store, "first");
        AcquireRequest second = await ParkedAsync(Store, "second");
        await ParkedAsync(Store, "third");
        await using Notices here = await Notices.OfAsync(Store);
        await ReleasedAsync(lease);

        Assert.Equal(AcquireOutcome.Granted, (await Store.AcquireAsync(second, Cancellation)).Outcome);

        Assert.Equal(["third"], await QueueAsync());
    }

    [Fact]
    public async Task Who_is_refused_in_its_turn_has_its_old_place_again()
    {
        await using Notices here = await Notices.OfAsync(Store);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        await ParkedAsync(Store, "second");
        await ReleasedAsync(lease);
        await here.TurnAsync(first);
        (AcquireRequest newcomer, _) = await GrantedAsync();

        AcquireResult refused = await Store.AcquireAsync(first, Cancellation);

        Assert.Equal((AcquireOutcome.Contended, first.Parking!.Since), (refused.Outcome, refused.ParkedSince));
        Assert.Equal(["first", "second"], await QueueAsync());
        await ReleasedAsync(newcomer);
        await here.TurnAsync(first, times: 2);
    }

    [Fact]
    public async Task Who_asks_again_because_no_answer_came_keeps_its_place()
    {
        await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        await ParkedAsync(Store, "second");

        AcquireResult again = await Store.AcquireAsync(first with { Parking = first.Parking! with { Since = 0 } }, Cancellation);

        Assert.Equal(first.Parking!.Since, again.ParkedSince);
        Assert.Equal(["first", "second"], await QueueAsync());
    }

    [Fact]
    public async Task A_new_place_is_behind_all_others()
    {
        await GrantedAsync();
        AcquireRequest[] parked = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => ParkedAsync(i % 2 == 0 ? Store : Other, $"early-{i:00}")));

        AcquireRequest late = await ParkedAsync(Store, "late");

        Assert.All(parked, early => Assert.True(early.Parking!.Since < late.Parking!.Since));
        Assert.Equal(parked.Length, parked.Select(early => early.Parking!.Since).Distinct().Count());
        Assert.Equal([.. parked.OrderBy(early => early.Parking!.Since).Select(early => early.Holder.Node), "late"], await QueueAsync());
    }

    [Fact]
    public async Task Who_is_parked_again_in_another_process_is_parked_once_and_told_there()
    {
        await using Notices here = await Notices.OfAsync(Store);
        await using Notices there = await Notices.OfAsync(Other);
        (AcquireRequest lease, _) = await GrantedAsync();
        AcquireRequest first = await ParkedAsync(Store, "first");
        await ParkedAsync(Store, "second");

        AcquireRequest moved = first with { LeaseId = NewLeaseId(), Holder = Holder("moved") };
        Assert.Equal(first.Parking!.Since, (await Other.AcquireAsync(moved, Cancellation)).ParkedSince);

        Assert.Equal(["moved", "second"], await QueueAsync());
        await ReleasedAsync(lease);
        await there.TurnAsync(moved);
        Assert.Empty(await here.TurnsAsync());
    }
}
