using System.Collections.Concurrent;
using JobLocking.Stores;

namespace JobLocking.Quartz.Tests;

/// <summary>Stands between a node and the store: writes down what it asks for, and can cut it off.</summary>
internal sealed class TestStore(ILockStore store) : ILockStore, IAsyncDisposable
{
    private readonly ConcurrentQueue<AcquireRequest> _asked = [];
    private volatile bool _cut;
    private int _looks;

    public IReadOnlyCollection<AcquireRequest> Asked => _asked;

    /// <summary>From now on the node reaches nothing, neither to renew nor to release.</summary>
    public void Cut() => _cut = true;

    public void Mend() => _cut = false;

    /// <summary>An answer waits for it.</summary>
    public Func<AcquireRequest, Task> BeforeAnswer { get; set; } = _ => Task.CompletedTask;

    /// <summary>How often a lock was looked at on behalf of a parked execution.</summary>
    public int Looks => _looks;

    /// <summary>The node sees nothing of its own accord: only a turn that it is given wakes a deferral before its time.</summary>
    public bool IsBlind { get; set; }

    /// <summary>Called when a turn comes, before the node is told.</summary>
    public Func<LockNotice.Turn, Task> AtTurn { get; set; } = _ => Task.CompletedTask;

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        _asked.Enqueue(request);
        AcquireResult result = await Open().AcquireAsync(request, cancellationToken);
        await BeforeAnswer(request).WaitAsync(cancellationToken);
        return result;
    }

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewAnswer>> onAnswers, CancellationToken cancellationToken) =>
        Open().RenewAsync(leases, onAnswers, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken) => Open().ReleaseAsync(request, cancellationToken);

    public ValueTask<LookResult> LookAsync(LookRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _looks);
        return IsBlind
            ? throw new LockStoreException("The node is blind.", mayHaveBeenApplied: false)
            : Open().LookAsync(request, cancellationToken);
    }

    public ValueTask<IAsyncDisposable> ListenAsync(Action<LockNotice> onNotice, CancellationToken cancellationToken) =>
        Open().ListenAsync(notice => _ = TellAsync(notice, onNotice), cancellationToken);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => Open().ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => Open().BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => Open().CheckAsync(cancellationToken);

    public LockServer ServerOf(string name) => store.ServerOf(name);

    public ValueTask DisposeAsync() => (store as IAsyncDisposable)?.DisposeAsync() ?? default;

    private async Task TellAsync(LockNotice notice, Action<LockNotice> onNotice)
    {
        if (notice is LockNotice.Turn turn)
        {
            await AtTurn(turn);
        }

        onNotice(notice);
    }

    private ILockStore Open() => _cut ? throw new LockStoreException("The node is cut off.", mayHaveBeenApplied: false) : store;
}
