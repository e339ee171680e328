using System.Collections.Concurrent;
using JobLocking.Stores;

namespace JobLocking.Quartz.Tests;

/// <summary>Stands between a node and the store: records the requests of the node, and can cut it off.</summary>
internal sealed class TestStore(ILockStore store) : ILockStore, IAsyncDisposable
{
    private readonly ConcurrentQueue<AcquireRequest> _asked = [];
    private readonly TaskCompletionSource _subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _cut;
    private int _looks;
    private int _requests;

    public IReadOnlyCollection<AcquireRequest> Asked => _asked;

    /// <summary>The first attempt of the node to subscribe has ended. A node that is not subscribed does not answer.</summary>
    public Task Subscribed => _subscribed.Task;

    /// <summary>From now on the node cannot reach the store, neither to renew nor to release.</summary>
    public void Cut() => _cut = true;

    public void Mend() => _cut = false;

    /// <summary>Answers wait for it.</summary>
    public Func<AcquireRequest, Task> BeforeAnswer { get; set; } = _ => Task.CompletedTask;

    /// <summary>How many requests it has made, renewals and polls apart.</summary>
    public int Requests => _requests;

    /// <summary>How often a lock was polled for a waiter.</summary>
    public int Looks => _looks;

    /// <summary>The node finds nothing by polling: only a wake-up that it receives wakes a deferral early.</summary>
    public bool IsBlind { get; set; }

    /// <summary>Called when a wake-up comes, before the node receives it.</summary>
    public Func<LockNotification.WakeUp, Task> AtTurn { get; set; } = _ => Task.CompletedTask;

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        _asked.Enqueue(request);
        Interlocked.Increment(ref _requests);
        AcquireResult result = await Open().AcquireAsync(request, cancellationToken);
        await BeforeAnswer(request).WaitAsync(cancellationToken);
        return result;
    }

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken) =>
        Open().RenewAsync(leases, onResults, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _requests);
        return Open().ReleaseAsync(request, cancellationToken);
    }

    public ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _requests);
        return Open().DeclineAsync(request, cancellationToken);
    }

    public ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _requests);
        return Open().LeaveAsync(request, cancellationToken);
    }

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _looks);
        return IsBlind
            ? throw new LockStoreException("The node is blind.", mayHaveBeenApplied: false)
            : Open().PollAsync(request, cancellationToken);
    }

    public async ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken)
    {
        try
        {
            return await Open().SubscribeAsync(notice => _ = TellAsync(notice, onNotification), cancellationToken);
        }
        finally
        {
            _subscribed.TrySetResult();
        }
    }

    public ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken) =>
        Open().IsMarkedAsync(name, occurrence, cancellationToken);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => Open().ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => Open().BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => Open().CheckAsync(cancellationToken);

    public LockServer ServerOf(string name) => store.ServerOf(name);

    public ValueTask DisposeAsync() => (store as IAsyncDisposable)?.DisposeAsync() ?? default;

    private async Task TellAsync(LockNotification notice, Action<LockNotification> onNotification)
    {
        if (notice is LockNotification.WakeUp turn)
        {
            await AtTurn(turn);
        }

        onNotification(notice);
    }

    private ILockStore Open() => _cut ? throw new LockStoreException("The node is cut off.", mayHaveBeenApplied: false) : store;
}
