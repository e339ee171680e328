using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>The notifications to one process.</summary>
public sealed class Notifications : IAsyncDisposable
{
    private readonly ConcurrentQueue<LockNotification> _heard = new();
    private readonly ILockStore _store;
    private IAsyncDisposable? _listening;

    private Notifications(ILockStore store) => _store = store;

    public static async Task<Notifications> OfAsync(ILockStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        Notifications notifications = new(store);
        notifications._listening = await store.SubscribeAsync(notifications._heard.Enqueue, TestContext.Current.CancellationToken);
        return notifications;
    }

    /// <summary>Waits until a waiter is woken, for the first time or again.</summary>
    public async Task<LockNotification.WakeUp> WakeUpAsync(AcquireRequest queued, int times = 1)
    {
        await Eventually.IsTrueAsync(() => WakeUpsOf(queued).Count() == times);
        return WakeUpsOf(queued).Last();
    }

    /// <summary>Waits until the process is notified that a lease is broken.</summary>
    public Task BrokenAsync(AcquireRequest lease)
    {
        return Eventually.IsTrueAsync(() => _heard.Contains(new LockNotification.Broken(lease.LeaseId)));
    }

    /// <summary>All wake-ups of this process until now: a notification that this method sends arrives after them.</summary>
    public async Task<IReadOnlyList<string>> WakeUpsAsync()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        AcquireRequest last = LockRequests.Acquire($"last word:{LockRequests.LeaseId()}");
        AcquireResult held = await _store.AcquireAsync(last, cancellation);
        await _store.BreakAsync(last.Name, held.FencingToken, cancellation);
        await BrokenAsync(last);
        return [.. _heard.OfType<LockNotification.WakeUp>().Select(wakeUp => wakeUp.WaiterId)];
    }

    /// <summary>Unsubscribes.</summary>
    public async ValueTask DisposeAsync() => await _listening!.DisposeAsync();

    private IEnumerable<LockNotification.WakeUp> WakeUpsOf(AcquireRequest queued) =>
        _heard.OfType<LockNotification.WakeUp>().Where(wakeUp => wakeUp.WaiterId == queued.Waiter!.Id && wakeUp.Name == queued.Name);
}
