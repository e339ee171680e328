using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.TestWorker;

/// <summary>Sits between the engine and its store, and reports all calls and notifications.</summary>
internal sealed class ReportingStore(ILockStore store) : ILockStore, IAsyncDisposable
{
    public static void Insert(IServiceCollection services)
    {
        ServiceDescriptor inner = services.Single(s => s.ServiceType == typeof(ILockStore));
        services.Remove(inner);
        services.AddSingleton<ILockStore>(sp => new ReportingStore((ILockStore)inner.ImplementationFactory!(sp)));
    }

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        AcquireResult result = await store.AcquireAsync(request, cancellationToken);
        WorkerOutput.Report($"acquire {request.Waiter?.Id ?? "-"} {result.Outcome} {result.FencingToken}");
        return result;
    }

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken) =>
        store.RenewAsync(leases, onResults, cancellationToken);

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        WorkerOutput.Report("released");
        return store.ReleaseAsync(request, cancellationToken);
    }

    public ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken)
    {
        WorkerOutput.Report("declined");
        return store.DeclineAsync(request, cancellationToken);
    }

    public ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken)
    {
        WorkerOutput.Report("withdrawn");
        return store.LeaveAsync(request, cancellationToken);
    }

    public async ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        PollResult result = await store.PollAsync(request, cancellationToken);
        WorkerOutput.Report(result.IsFree ? "polled free" : "polled taken");
        return result;
    }

    public ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken) => store.SubscribeAsync(
        notification =>
        {
            WorkerOutput.Report(notification is LockNotification.WakeUp wakeUp ? $"wake-up {wakeUp.WaiterId}" : $"notification {notification}");
            onNotification(notification);
        },
        cancellationToken);

    public ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken) =>
        store.IsMarkedAsync(name, occurrence, cancellationToken);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => store.ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => store.BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => store.CheckAsync(cancellationToken);

    public LockServer ServerOf(string name) => store.ServerOf(name);

    public ValueTask DisposeAsync() => (store as IAsyncDisposable)?.DisposeAsync() ?? default;
}
