using System.Collections.Concurrent;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>Everything that a store does with its rights.</summary>
internal sealed class Uses(ILockStore store, ILockStore other, ILockStore leaving, IDatabase admin)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly LockOccurrence _occurrence = new("job", DateTimeOffset.UnixEpoch, IsRetry: false);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public IEnumerable<(string What, Func<Task> Use)> All =>
    [
        ("lock", () => LockAsync(1)),
        ("wait", () => WaitAsync(1)),
        ("wake", () => WakeUpAsync(1)),
        ("restore", () => KeepAsync(1)),
        ("list", () => ListAsync(1)),
        ("break", () => BreakAsync(1)),
        ("lock with a limit", () => LockAsync(2)),
        ("wait for a limit", () => WaitAsync(2)),
        ("wake at a limit", () => WakeUpAsync(2)),
        ("restore at a limit", () => KeepAsync(2)),
        ("list a limit", () => ListAsync(2)),
        ("break a limit", () => BreakAsync(2)),
        ("spend a deferral", () => SpendAsync(1)),
        ("spend a deferral at a limit", () => SpendAsync(2)),
        ("check", CheckAsync),
        ("stop listening", LeaveAsync),
    ];

    private static AcquireRequest Request(int limit, string? name = null) =>
        LockRequests.Acquire(name ?? $"uses:{Guid.NewGuid():N}") with { Limit = limit };

    private async Task LockAsync(int limit)
    {
        AcquireRequest lease = Request(limit) with { Occurrence = _occurrence };
        await GrantedAsync(lease);
        await GrantedAsync(lease);
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        for (int i = 1; i < limit; i++)
        {
            await GrantedAsync(Request(limit, lease.Name));
        }

        AcquireResult refused = await AskAsync(Request(limit, lease.Name));
        Assert.Equal((AcquireOutcome.Contended, lease.Holder), (refused.Outcome, refused.Holder));
        OccurrenceEnd end = new(_occurrence, lease.Holder, OccurrenceOutcome.Succeeded, TimeSpan.FromMinutes(1));
        Assert.Equal(ReleaseOutcome.Released, await store.ReleaseAsync(LockRequests.Release(lease, end: end), Cancellation));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskAsync(Request(limit, lease.Name) with { Occurrence = _occurrence })).Outcome);
    }

    private async Task SpendAsync(int limit)
    {
        string deferral = LockRequests.LeaseId();
        AcquireRequest lease = Request(limit) with { Waiter = new WaiterEntry(deferral, TimeSpan.FromMinutes(1), 0, deferral, TimeSpan.FromMinutes(1)) };
        await GrantedAsync(lease);
        AcquireRequest copy = lease with { LeaseId = LockRequests.LeaseId() };
        Assert.Equal(AcquireOutcome.DeferralSpent, (await AskAsync(copy)).Outcome);
        await store.ReleaseAsync(new ReleaseRequest(lease.Name, lease.LeaseId, Limit: limit, Spends: deferral), Cancellation);
        await GrantedAsync(copy);
    }

    private async Task KeepAsync(int limit)
    {
        AcquireRequest lease = await GrantedAsync(Request(limit));
        Assert.Equal(ReleaseOutcome.Released, await store.ReleaseAsync(LockRequests.Release(lease, TimeSpan.FromMinutes(1)), Cancellation));
        Assert.True((await AskAsync(lease with { Limit = 1, LeaseId = LockRequests.LeaseId() })).IsKept);
    }

    private async Task WaitAsync(int limit)
    {
        AcquireRequest[] held = await FullAsync(limit);
        AcquireRequest waits = await QueuedAsync(held[0]);
        PollRequest poll = new(waits.Name, limit, waits.Waiter!, waits.Holder, null);
        PollResult taken = await store.PollAsync(poll, Cancellation);
        Assert.Equal((false, waits.Waiter!.Since), (taken.IsFree, taken.QueuedSince));
        foreach (AcquireRequest lease in held)
        {
            await store.ReleaseAsync(LockRequests.Release(lease), Cancellation);
        }

        Assert.True((await store.PollAsync(poll, Cancellation)).IsFree);
        Assert.False(await admin.KeyExistsAsync($"{{task_lock:{waits.Name}}}:waiters"));
    }

    private async Task WakeUpAsync(int limit)
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await other.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest[] held = await FullAsync(limit);
        AcquireRequest waits = await QueuedAsync(held[0]);
        await store.ReleaseAsync(LockRequests.Release(held[0]), Cancellation);
        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.WakeUp(waits.Name, waits.Waiter!.Id, TimeSpan.Zero)), Patience);
    }

    /// <summary>A process that has unsubscribed is not notified.</summary>
    private async Task LeaveAsync()
    {
        await (await leaving.SubscribeAsync(static _ => { }, Cancellation)).DisposeAsync();
        AcquireRequest lease = await GrantedAsync(Request(1));
        AcquireRequest gone = await QueuedAsync(lease, leaving);
        await store.AcquireAsync(gone with { Waiter = gone.Waiter! with { Id = LockRequests.LeaseId(), Since = 0 } }, Cancellation);
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await store.SubscribeAsync(notifications.Enqueue, Cancellation);
        await store.ReleaseAsync(LockRequests.Release(lease), Cancellation);
        await Eventually.IsTrueAsync(() => notifications.OfType<LockNotification.WakeUp>().Any(wakeUp => wakeUp.Name == lease.Name), Patience);
    }

    private async Task ListAsync(int limit)
    {
        AcquireRequest[] held = await FullAsync(limit);
        await QueuedAsync(held[0]);
        List<HeldLock> listed = await store.ListAsync(held[0].Name, Cancellation).ToListAsync(Cancellation);
        Assert.Equal(limit, listed.Count);
        Assert.All(listed, one => Assert.Equal(held[0].Holder, one.Holder));
        Assert.Single(listed[0].Waiters);
    }

    private async Task BreakAsync(int limit)
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await store.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest lease = Request(limit);
        long token = (await store.AcquireAsync(lease, Cancellation)).FencingToken;
        Assert.True(await other.BreakAsync(lease.Name, token, Cancellation));
        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Broken(lease.LeaseId)), Patience);
    }

    private async Task CheckAsync() => Assert.Contains("volatile-lru", await store.CheckAsync(Cancellation), StringComparison.Ordinal);

    private async Task<AcquireRequest[]> FullAsync(int limit)
    {
        string name = $"uses:{Guid.NewGuid():N}";
        AcquireRequest[] held = [.. Enumerable.Range(0, limit).Select(_ => Request(limit, name))];
        foreach (AcquireRequest lease in held)
        {
            await GrantedAsync(lease);
        }

        return held;
    }

    private async Task<AcquireRequest> QueuedAsync(AcquireRequest held, ILockStore? process = null)
    {
        AcquireRequest waits = Request(held.Limit, held.Name) with { Waiter = new WaiterEntry(LockRequests.LeaseId(), TimeSpan.FromMinutes(1)) };
        AcquireResult result = await (process ?? other).AcquireAsync(waits, Cancellation);
        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.True(result.QueuedSince > 0);
        return waits with { Waiter = waits.Waiter! with { Since = result.QueuedSince } };
    }

    private async Task<AcquireRequest> GrantedAsync(AcquireRequest request)
    {
        Assert.Equal(AcquireOutcome.Granted, (await AskAsync(request)).Outcome);
        return request;
    }

    private async Task<AcquireResult> AskAsync(AcquireRequest request) => await store.AcquireAsync(request, Cancellation);

    private async Task<RenewOutcome> RenewedAsync(AcquireRequest lease)
    {
        RenewOutcome[] outcomes = new RenewOutcome[1];
        await store.RenewAsync(new[] { LockRequests.Renew(lease) }, outcomes, Cancellation);
        return outcomes[0];
    }
}
