using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Hangfire.Tests;

/// <summary>A store whose process never finds out by itself that a lock is free.</summary>
internal sealed class BlindStore(ILockStore store) : ILockStore, IAsyncDisposable
{
    public static void Replace(IServiceCollection services)
    {
        ServiceDescriptor real = services.Single(service => service.ServiceType == typeof(ILockStore));
        services.Remove(real);
        services.AddSingleton<ILockStore>(sp => new BlindStore((ILockStore)real.ImplementationFactory!(sp)));
    }

    public ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken) => store.AcquireAsync(request, cancellationToken);

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken) =>
        store.RenewAsync(leases, onResults, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken) => store.ReleaseAsync(request, cancellationToken);

    public ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken) => store.DeclineAsync(request, cancellationToken);

    public ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken) => store.LeaveAsync(request, cancellationToken);

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken) =>
        throw new LockStoreException("The node is blind.", mayHaveBeenApplied: false);

    public ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken) => store.SubscribeAsync(onNotification, cancellationToken);

    public ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken) =>
        store.IsMarkedAsync(name, occurrence, cancellationToken);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => store.ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => store.BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => store.CheckAsync(cancellationToken);

    public LockServer ServerOf(string name) => store.ServerOf(name);

    public ValueTask DisposeAsync() => (store as IAsyncDisposable)?.DisposeAsync() ?? default;
}
