using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.TestWorker;

/// <summary>Stands between the engine and its store, and says all that passes.</summary>
internal sealed class ToldStore(ILockStore store) : ILockStore, IAsyncDisposable
{
    public static void Insert(IServiceCollection services)
    {
        ServiceDescriptor told = services.Single(s => s.ServiceType == typeof(ILockStore));
        services.Remove(told);
        services.AddSingleton<ILockStore>(sp => new ToldStore((ILockStore)told.ImplementationFactory!(sp)));
    }

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        AcquireResult result = await store.AcquireAsync(request, cancellationToken);
        Say.Fact($"asked {request.Waiter?.Id ?? "-"} {result.Outcome} {result.FencingToken}");
        return result;
    }

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken) =>
        store.RenewAsync(leases, onResults, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        Say.Fact("released");
        return store.ReleaseAsync(request, cancellationToken);
    }

    public ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken)
    {
        Say.Fact("declined");
        return store.DeclineAsync(request, cancellationToken);
    }

    public ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken)
    {
        Say.Fact("withdrawn");
        return store.LeaveAsync(request, cancellationToken);
    }

    public async ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        PollResult result = await store.PollAsync(request, cancellationToken);
        Say.Fact(result.IsFree ? "looked free" : "looked taken");
        return result;
    }

    public ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken) => store.SubscribeAsync(
        notice =>
        {
            Say.Fact(notice is LockNotification.WakeUp turn ? $"turn {turn.WaiterId}" : $"notice {notice}");
            onNotification(notice);
        },
        cancellationToken);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => store.ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => store.BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => store.CheckAsync(cancellationToken);

    public LockServer ServerOf(string name) => store.ServerOf(name);

    public ValueTask DisposeAsync() => (store as IAsyncDisposable)?.DisposeAsync() ?? default;
}
