using System.Collections.Concurrent;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>What one process is told.</summary>
public sealed class Notices : IAsyncDisposable
{
    private readonly ConcurrentQueue<LockNotice> _heard = new();
    private readonly ILockStore _store;
    private IAsyncDisposable? _listening;

    private Notices(ILockStore store) => _store = store;

    public static async Task<Notices> OfAsync(ILockStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        Notices notices = new(store);
        notices._listening = await store.ListenAsync(notices._heard.Enqueue, TestContext.Current.CancellationToken);
        return notices;
    }

    /// <summary>Waits until the process is told that it is the turn of an execution, for the first time or once more.</summary>
    public async Task<LockNotice.Turn> TurnAsync(AcquireRequest parked, int times = 1)
    {
        await Eventually.IsTrueAsync(() => TurnsOf(parked).Count() == times);
        return TurnsOf(parked).Last();
    }

    /// <summary>Waits until the process is told that a lease is broken.</summary>
    public Task BrokenAsync(AcquireRequest lease)
    {
        return Eventually.IsTrueAsync(() => _heard.Contains(new LockNotice.Broken(lease.LeaseId)));
    }

    /// <summary>All turns that were given up to now. What was said before is heard before what is said to find out.</summary>
    public async Task<IReadOnlyList<string>> TurnsAsync()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        AcquireRequest last = LockRequests.Acquire($"last word:{LockRequests.LeaseId()}");
        AcquireResult held = await _store.AcquireAsync(last, cancellation);
        await _store.BreakAsync(last.Name, held.FencingToken, cancellation);
        await BrokenAsync(last);
        return [.. _heard.OfType<LockNotice.Turn>().Select(turn => turn.ParkingId)];
    }

    /// <summary>Stops to listen.</summary>
    public async ValueTask DisposeAsync() => await _listening!.DisposeAsync();

    private IEnumerable<LockNotice.Turn> TurnsOf(AcquireRequest parked) =>
        _heard.OfType<LockNotice.Turn>().Where(turn => turn.ParkingId == parked.Parking!.Id && turn.Name == parked.Name);
}
