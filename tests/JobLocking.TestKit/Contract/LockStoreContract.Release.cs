using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Fact]
    public async Task A_released_lock_is_free_at_once()
    {
        (AcquireRequest lease, _) = await GrantedAsync();

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
    }

    [Fact]
    public async Task A_release_that_is_repeated_finds_nothing()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await ReleasedAsync(lease);

        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task Release_of_a_lost_lease_touches_nothing()
    {
        (AcquireRequest lost, _) = await GrantedAsync(AMoment);
        await PassAsync(AMoment);
        await GrantedInTheEndAsync(Request(Name, node: "successor"));

        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lost));
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lost, keepFor: AMoment));

        AcquireResult other = await AskedByAnotherAsync(Name);
        Assert.Equal((AcquireOutcome.Contended, Holder("successor"), false), (other.Outcome, other.Holder, other.IsKept));
    }

    [Fact]
    public async Task A_kept_lock_stays_taken_and_names_its_last_holder()
    {
        (AcquireRequest lease, long token) = await GrantedAsync();

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20)));

        AcquireResult other = await AskedByAnotherAsync(Name);
        Assert.Equal((AcquireOutcome.Contended, Holder(), true), (other.Outcome, other.Holder, other.IsKept));
        AssertTimeLeft(other.TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        HeldLock listed = Assert.Single(await ListedAsync(Name));
        Assert.Equal((Holder(), token, true), (listed.Holder!, listed.FencingToken!.Value, listed.IsKept));
    }

    [Fact]
    public async Task A_kept_lock_belongs_to_no_lease()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: AMinute);

        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lease));
        Assert.Equal(AcquireOutcome.Contended, (await Store.AcquireAsync(lease, Cancellation)).Outcome);
    }

    [Fact]
    public async Task A_kept_lock_is_free_after_its_time()
    {
        (AcquireRequest lease, long token) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: AMoment);
        await PassAsync(AMoment);

        AcquireResult next = await GrantedInTheEndAsync(Request(Name));

        Assert.True(next.FencingToken > token);
    }

    [Fact]
    public async Task The_locks_that_are_held_are_listed()
    {
        (_, long first) = await GrantedAsync(Request(Name + ":1"));
        (AcquireRequest released, _) = await GrantedAsync(Request(Name + ":2"));
        (_, long third) = await GrantedAsync(Request(Name + ":3", node: "node-3", occurrence: Occurrence()));
        await ReleasedAsync(released);

        List<HeldLock> listed = [.. (await ListedAsync(Name)).OrderBy(held => held.Name, StringComparer.Ordinal)];

        Assert.Equal([(Name + ":1", Holder(), first, false), (Name + ":3", Holder("node-3"), third, false)],
            listed.Select(held => (held.Name, held.Holder, held.FencingToken!.Value, held.IsKept)));
        Assert.All(listed, held => AssertTimeLeft(held.TimeLeft, TimeSpan.Zero, AMinute));
        Assert.Contains(await ListedAsync(null), held => held.Name == Name + ":1");
    }

    [Fact]
    public async Task A_prefix_is_no_pattern()
    {
        await GrantedAsync(Request(Name + ":a*c"));
        await GrantedAsync(Request(Name + ":abc"));
        await GrantedAsync(Request(Name + ":[a]\\?"));

        Assert.Equal([Name + ":a*c"], (await ListedAsync(Name + ":a*")).Select(held => held.Name));
        Assert.Equal([Name + ":[a]\\?"], (await ListedAsync(Name + ":[a]\\?")).Select(held => held.Name));
        Assert.Empty(await ListedAsync(Name + ":?bc"));
        Assert.Empty(await ListedAsync(Name + ":[a]bc"));
    }

    [Fact]
    public async Task Many_locks_are_listed_once_each()
    {
        string[] names = [.. Enumerable.Range(0, 600).Select(i => $"{Name}:{i:000}")];
        await Task.WhenAll(names.Select(name => Store.AcquireAsync(Request(name), Cancellation).AsTask()));

        Assert.Equal(names, (await ListedAsync(Name)).Select(held => held.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_broken_lease_is_free_and_its_process_is_notified()
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(notifications.Enqueue, Cancellation);
        (AcquireRequest lease, long token) = await GrantedAsync();

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Broken(lease.LeaseId)));
        Assert.Equal(RenewOutcome.Missing, await RenewedAsync(lease));
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task A_process_that_has_unsubscribed_is_not_notified()
    {
        ConcurrentQueue<LockNotification> stopped = new();
        ConcurrentQueue<LockNotification> listening = new();
        IAsyncDisposable first = await Store.SubscribeAsync(stopped.Enqueue, Cancellation);
        await using IAsyncDisposable second = await Store.SubscribeAsync(listening.Enqueue, Cancellation);
        await first.DisposeAsync();
        (AcquireRequest lease, long token) = await GrantedAsync();

        await Other.BreakAsync(Name, token, Cancellation);

        await Eventually.IsTrueAsync(() => listening.Contains(new LockNotification.Broken(lease.LeaseId)));
        Assert.DoesNotContain(new LockNotification.Broken(lease.LeaseId), stopped);
    }

    [Fact]
    public async Task Only_the_lease_with_the_given_token_is_broken()
    {
        (AcquireRequest seen, long token) = await GrantedAsync();
        await ReleasedAsync(seen);
        (_, long successor) = await GrantedAsync();

        Assert.False(await Other.BreakAsync(Name, token, Cancellation));
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(Name)).Outcome);
        Assert.False(await Other.BreakAsync(Name + ":none", successor, Cancellation));
    }

    [Fact]
    public async Task A_kept_lock_can_be_broken()
    {
        (AcquireRequest lease, long token) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: AMinute);

        Assert.True(await Other.BreakAsync(Name, token, Cancellation));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
    }
}
