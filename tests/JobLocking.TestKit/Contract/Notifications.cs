using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>What one process is told.</summary>
public sealed class Notifications : IAsyncDisposable
{
    private readonly ConcurrentQueue<LockNotification> _heard = new();
    private readonly ILockStore _store;
    private IAsyncDisposable? _listening;

    private Notifications(ILockStore store) => _store = store;

    public static async Task<Notifications> OfAsync(ILockStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        Notifications notices = new(store);
        notices._listening = await store.SubscribeAsync(notices._heard.Enqueue, TestContext.Current.CancellationToken);
        return notices;
    }

    /// <summary>Waits until the process is told that it is the turn of an execution, for the first time or once more.</summary>
    public async Task<LockNotification.WakeUp> WakeUpAsync(AcquireRequest parked, int times = 1)
    {
        await Eventually.IsTrueAsync(() => WakeUpsOf(parked).Count() == times);
        return WakeUpsOf(parked).Last();
    }

    /// <summary>Waits until the process is told that a lease is broken.</summary>
    public Task BrokenAsync(AcquireRequest lease)
    {
        return Eventually.IsTrueAsync(() => _heard.Contains(new LockNotification.Broken(lease.LeaseId)));
    }

    /// <summary>All turns that were given up to now. What was said before is heard before what is said to find out.</summary>
    public async Task<IReadOnlyList<string>> WakeUpsAsync()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        AcquireRequest last = LockRequests.Acquire($"last word:{LockRequests.LeaseId()}");
        AcquireResult held = await _store.AcquireAsync(last, cancellation);
        await _store.BreakAsync(last.Name, held.FencingToken, cancellation);
        await BrokenAsync(last);
        return [.. _heard.OfType<LockNotification.WakeUp>().Select(turn => turn.WaiterId)];
    }

    /// <summary>Stops to listen.</summary>
    public async ValueTask DisposeAsync() => await _listening!.DisposeAsync();

    private IEnumerable<LockNotification.WakeUp> WakeUpsOf(AcquireRequest parked) =>
        _heard.OfType<LockNotification.WakeUp>().Where(turn => turn.WaiterId == parked.Waiter!.Id && turn.Name == parked.Name);
}
