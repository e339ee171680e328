using System.Runtime.CompilerServices;

namespace JobLocking.Stores.InMemory;

/// <summary>
/// The locks of one process, with the contract of a real store: for development, for tests, and for a single node. It
/// excludes nothing in other processes.
/// </summary>
internal sealed class InMemoryLockStore : ILockStore
{
    private readonly MemoryLocks _locks;
    private readonly MemoryProcess _process = new();

    /// <summary>Locks of its own.</summary>
    public InMemoryLockStore(TimeProvider time)
        : this(new MemoryLocks(time))
    {
    }

    private InMemoryLockStore(MemoryLocks locks) => _locks = locks;

    /// <summary>The same locks, as another process that shares them would see them.</summary>
    public InMemoryLockStore OfAnotherProcess() => new(_locks);

    public ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(_locks.Step(request.Name, one => one.Acquire(request, _process)));
    }

    public ValueTask RenewAsync(
        ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken)
    {
        RenewResult[] answers = new RenewResult[leases.Length];
        for (int i = 0; i < leases.Length; i++)
        {
            RenewRequest lease = leases.Span[i];
            answers[i] = new RenewResult(i, _locks.Step(lease.Name, one => one.Renew(lease)));
        }

        onResults(answers);
        return default;
    }

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken) =>
        new(_locks.Step(request.Name, one => one.Release(request)));

    public ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken)
    {
        _locks.Step(request.Name, one => one.Decline(request));
        return default;
    }

    public ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken)
    {
        _locks.Step(request.Name, one => one.Leave(request));
        return default;
    }

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(_locks.Step(request.Name, one => one.Poll(request, _process)));
    }

    public ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken) =>
        new(_locks.Step(name, one => one.IsMarked(occurrence)));

    public ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken)
    {
        _process.Add(onNotification);
        return new(new Listening(_process, onNotification));
    }

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (HeldLock one in _locks.List(prefix))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return one;
        }

        await ValueTask.CompletedTask.ConfigureAwait(false);
    }

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) =>
        new(_locks.Step(name, one => one.Break(fencingToken)));

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => new((string?)null);

    private sealed class Listening(MemoryProcess process, Action<LockNotification> onNotification) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            process.Remove(onNotification);
            return default;
        }
    }
}
