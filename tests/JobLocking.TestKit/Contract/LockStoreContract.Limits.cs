using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    private AcquireRequest Shared(int limit, TimeSpan? expiry = null, string node = "node-1", LockOccurrence? occurrence = null) =>
        Request(Name, expiry, node, occurrence) with { Limit = limit };

    private async Task<AcquireResult> AskedByAnotherAsync(int limit) =>
        await Other.AcquireAsync(Shared(limit, node: "node-2"), Cancellation);

    // A lease that does not hold the lock may get either outcome, whether or not others hold it.
    private static void AssertNotHeld(RenewOutcome outcome) =>
        Assert.Contains(outcome, new[] { RenewOutcome.NotYours, RenewOutcome.Missing });

    private static void AssertNotHeld(ReleaseOutcome outcome) =>
        Assert.Contains(outcome, new[] { ReleaseOutcome.NotYours, ReleaseOutcome.Missing });

    [Fact]
    public async Task As_many_executions_as_the_limit_allows_hold_a_lock_and_not_one_more()
    {
        (_, long first) = await GrantedAsync(Shared(3, node: "a"));
        AcquireResult second = await Other.AcquireAsync(Shared(3, node: "b"), Cancellation);
        (_, long third) = await GrantedAsync(Shared(3, node: "c"));

        Assert.Equal(AcquireOutcome.Granted, second.Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await Store.AcquireAsync(Shared(3), Cancellation)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(3)).Outcome);
        Assert.True(first < second.FencingToken && second.FencingToken < third);
        List<HeldLock> listed = [.. (await ListedAsync(Name)).OrderBy(held => held.FencingToken)];
        Assert.Equal(
            [(Name, Holder("a"), first, false), (Name, Holder("b"), second.FencingToken, false), (Name, Holder("c"), third, false)],
            listed.Select(held => (held.Name, held.Holder!, held.FencingToken!.Value, held.IsKept)));
        Assert.All(listed, held => AssertTimeLeft(held.TimeLeft, TimeSpan.Zero, AMinute));
    }

    [Fact]
    public async Task Simultaneous_acquires_are_granted_up_to_the_limit()
    {
        for (int round = 0; round < 20; round++)
        {
            string name = $"{Name}:{round}";
            AcquireResult[] results = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(
                async () => await (i % 2 == 0 ? Store : Other).AcquireAsync(Request(name) with { Limit = 7 }, Cancellation), Cancellation)));

            long[] tokens = [.. results.Where(result => result.Outcome == AcquireOutcome.Granted).Select(result => result.FencingToken)];
            Assert.Equal(7, tokens.Distinct().Count());
            Assert.Equal(7, tokens.Length);
        }
    }

    [Fact]
    public async Task Contention_names_the_holder_whose_lease_ends_first_and_the_others()
    {
        await GrantedAsync(Shared(3, node: "late"));
        await GrantedAsync(Shared(3, TimeSpan.FromSeconds(20), "first"));
        await GrantedAsync(Shared(3, node: "late too"));

        AcquireResult other = await AskedByAnotherAsync(3);

        Assert.Equal(Holder("first"), other.Holder);
        AssertTimeLeft(other.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.Equal(["late", "late too"], other.Others!.Select(holder => holder!.Node).Order());
    }

    [Fact]
    public async Task The_only_holder_of_a_lock_is_listed_without_others()
    {
        await GrantedAsync(Shared(3));

        AcquireResult other = await AskedByAnotherAsync(1);

        Assert.Equal((AcquireOutcome.Contended, Holder()), (other.Outcome, other.Holder));
        Assert.Null(other.Others);
    }

    [Fact]
    public async Task A_hundred_of_very_many_holders_are_listed()
    {
        AcquireResult[] results = await Task.WhenAll(
            Enumerable.Range(0, 120).Select(_ => Store.AcquireAsync(Shared(120), Cancellation).AsTask()));
        Assert.All(results, result => Assert.Equal(AcquireOutcome.Granted, result.Outcome));

        AcquireResult other = await AskedByAnotherAsync(120);

        Assert.Equal(AcquireOutcome.Contended, other.Outcome);
        Assert.Equal(99, other.Others!.Count);
        Assert.Equal(120, (await ListedAsync(Name)).Count);
    }

    [Fact]
    public async Task The_same_lease_is_granted_again_and_counts_once()
    {
        AcquireRequest lease = Shared(2, TimeSpan.FromSeconds(20));
        (_, long token) = await GrantedAsync(lease);

        AcquireResult again = await Store.AcquireAsync(lease with { Expiry = AMinute }, Cancellation);

        Assert.Equal((AcquireOutcome.Granted, token), (again.Outcome, again.FencingToken));
        AssertTimeLeft(Assert.Single(await ListedAsync(Name)).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(2)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
        again = await Store.AcquireAsync(lease, Cancellation);
        Assert.Equal((AcquireOutcome.Granted, token), (again.Outcome, again.FencingToken));
    }

    [Fact]
    public async Task A_release_frees_one_slot_of_several()
    {
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        (_, long stays) = await GrantedAsync(Shared(2));

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));

        Assert.Equal(stays, Assert.Single(await ListedAsync(Name)).FencingToken);
        AssertNotHeld(await ReleasedAsync(lease));
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(2)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
    }

    [Fact]
    public async Task The_last_release_leaves_nothing_held()
    {
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));

        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lease));
        Assert.Empty(await ListedAsync(Name));
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(1)).Outcome);
    }

    [Fact]
    public async Task The_release_of_an_unknown_lease_frees_no_slot()
    {
        await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));

        AssertNotHeld(await ReleasedAsync(Shared(2)));
        AssertNotHeld(await ReleasedAsync(Shared(2), keepFor: AMoment));

        Assert.Equal(2, (await ListedAsync(Name)).Count);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
    }

    [Fact]
    public async Task One_of_several_that_has_expired_makes_room_for_one()
    {
        (AcquireRequest dead, _) = await GrantedAsync(Shared(2, AMoment, "dead"));
        (_, long living) = await GrantedAsync(Shared(2, node: "living"));
        await PassAsync(AMoment);

        AcquireResult next = await GrantedInTheEndAsync(Shared(2, node: "next"));

        Assert.True(next.FencingToken > living);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
        AssertNotHeld(await RenewedAsync(dead));
        AssertNotHeld(await ReleasedAsync(dead));
        Assert.Equal(["living", "next"], (await ListedAsync(Name)).Select(held => held.Holder!.Node).Order());
    }

    [Fact]
    public async Task One_of_several_that_has_expired_is_not_created_again()
    {
        await GrantedAsync(Shared(3, node: "living"));
        (AcquireRequest dead, _) = await GrantedAsync(Shared(3, AMoment, "dead"));
        await PassAsync(AMoment);
        await Eventually.SeesAsync(() => ListedAsync(Name), listed => listed.Count == 1);

        AssertNotHeld(await RenewedAsync(dead));

        Assert.Equal("living", Assert.Single(await ListedAsync(Name)).Holder!.Node);
    }

    [Fact]
    public async Task Each_of_several_leases_is_renewed_by_itself()
    {
        (AcquireRequest lease, long renewed) = await GrantedAsync(Shared(2, TimeSpan.FromSeconds(20)));
        (_, long left) = await GrantedAsync(Shared(2, TimeSpan.FromSeconds(20)));

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease, AMinute));
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease, TimeSpan.FromSeconds(1)));

        Dictionary<long, HeldLock> listed = (await ListedAsync(Name)).ToDictionary(held => held.FencingToken!.Value);
        AssertTimeLeft(listed[renewed].TimeLeft, TimeSpan.FromSeconds(20), AMinute);
        AssertTimeLeft(listed[left].TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_batch_renews_leases_of_locks_with_and_without_a_limit()
    {
        AcquireRequest missing = Request(Name + ":missing") with { Limit = 3 };
        (AcquireRequest shared, _) = await GrantedAsync(Request(Name + ":1", TimeSpan.FromSeconds(20)) with { Limit = 3 });
        (AcquireRequest alone, _) = await GrantedAsync(Request(Name + ":2", TimeSpan.FromSeconds(20), occurrence: Occurrence()));
        (AcquireRequest occurring, _) = await GrantedAsync(
            Request(Name + ":3", TimeSpan.FromSeconds(20), occurrence: Occurrence()) with { Limit = 3 });

        AcquireRequest[] leases = [missing, shared, alone, occurring];
        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation);

        Assert.Equal([RenewOutcome.Missing, RenewOutcome.Renewed, RenewOutcome.Renewed, RenewOutcome.Renewed], outcomes);
        Assert.All(await ListedAsync(Name), held => AssertTimeLeft(held.TimeLeft, TimeSpan.FromSeconds(20), AMinute));
        AssertTimeLeft((await AskedByAnotherAsync(occurring.Name, Occurrence())).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
    }

    [Fact]
    public async Task A_kept_slot_stays_taken_and_belongs_to_no_lease()
    {
        (AcquireRequest lease, long token) = await GrantedAsync(Shared(2, node: "kept"));
        await GrantedAsync(Shared(2));

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20)));

        AcquireResult other = await AskedByAnotherAsync(2);
        Assert.Equal((AcquireOutcome.Contended, Holder("kept"), true), (other.Outcome, other.Holder, other.IsKept));
        AssertTimeLeft(other.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        AssertNotHeld(await RenewedAsync(lease, AMinute));
        AssertNotHeld(await ReleasedAsync(lease));
        HeldLock kept = Assert.Single(await ListedAsync(Name), held => held.IsKept);
        Assert.Equal((Holder("kept"), token), (kept.Holder!, kept.FencingToken!.Value));
        AssertTimeLeft(kept.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_kept_slot_is_free_after_its_time()
    {
        (AcquireRequest lease, _) = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));
        await ReleasedAsync(lease, keepFor: AMoment);
        await PassAsync(AMoment);

        await GrantedInTheEndAsync(Shared(2));

        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
    }

    [Fact]
    public async Task The_smallest_limit_among_the_holders_applies()
    {
        await GrantedAsync(Shared(5));
        (AcquireRequest small, _) = await GrantedAsync(Shared(3));
        await GrantedAsync(Shared(5));

        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(5)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(3)).Outcome);

        await ReleasedAsync(small);
        foreach (int limit in new[] { 5, 5, 5 })
        {
            Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
            Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(limit)).Outcome);
            Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(3)).Outcome);
        }

        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(5)).Outcome);
    }

    [Fact]
    public async Task The_limit_of_a_holder_that_has_expired_no_longer_applies()
    {
        await GrantedAsync(Shared(2, AMoment));
        await GrantedAsync(Shared(5));
        await PassAsync(AMoment);
        await Eventually.SeesAsync(() => ListedAsync(Name), listed => listed.Count == 1);

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(5)).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(5)).Outcome);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public async Task A_lock_with_a_limit_and_one_without_exclude_each_other(int holds, int asks)
    {
        (AcquireRequest lease, long token) = await GrantedAsync(Shared(holds));

        AcquireResult refused = await AskedByAnotherAsync(asks);

        Assert.Equal((AcquireOutcome.Contended, Holder(), false), (refused.Outcome, refused.Holder, refused.IsKept));
        AssertTimeLeft(refused.TimeLeft, TimeSpan.Zero, AMinute);
        AssertNotHeld(await RenewedAsync(Shared(asks)));
        AssertNotHeld(await ReleasedAsync(Shared(asks)));
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
        AcquireResult granted = await AskedByAnotherAsync(asks);
        Assert.Equal(AcquireOutcome.Granted, granted.Outcome);
        Assert.True(granted.FencingToken > token);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public async Task A_lock_with_a_limit_and_one_without_expire_by_themselves(int holds, int asks)
    {
        (AcquireRequest lease, _) = await GrantedAsync(Shared(holds, AMoment));
        await PassAsync(AMoment);

        await GrantedInTheEndAsync(Shared(asks, node: "successor"));

        AssertNotHeld(await RenewedAsync(lease));
        AssertNotHeld(await ReleasedAsync(lease));
        AcquireResult other = await AskedByAnotherAsync(1);
        Assert.Equal((AcquireOutcome.Contended, Holder("successor")), (other.Outcome, other.Holder));
    }

    [Fact]
    public async Task One_of_several_is_broken_and_its_process_is_notified()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await using Notifications there = await Notifications.OfAsync(Other);
        (AcquireRequest broken, long token) = await GrantedAsync(Shared(2));
        AcquireRequest stays = Shared(2);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(stays, Cancellation)).Outcome);
        AcquireRequest waits = await QueuedAsync(Other, "waits", limit: 2);

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        await here.BrokenAsync(broken);
        Assert.Equal(TimeSpan.Zero, (await there.WakeUpAsync(waits)).After);
        AssertNotHeld(await RenewedAsync(broken));
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(stays));
        Assert.False(await Other.BreakAsync(Name, token, Cancellation));
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(waits, Cancellation)).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(2)).Outcome);
    }
}
