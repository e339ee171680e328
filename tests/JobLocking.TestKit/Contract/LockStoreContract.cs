using System.Reflection;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>
/// What every store has to do. A test class for a store derives from this one, names the store in
/// <see cref="StoreUnderTestAttribute"/>, and creates it.
/// </summary>
public abstract partial class LockStoreContract : IAsyncLifetime
{
    /// <summary>Long enough that the lease still exists when a test checks it.</summary>
    protected static readonly TimeSpan AMinute = TimeSpan.FromMinutes(1);

    /// <summary>Short enough to wait for its end. No test may expect that the lease still exists.</summary>
    protected static readonly TimeSpan AMoment = TimeSpan.FromMilliseconds(200);

    private readonly string _unique = Guid.NewGuid().ToString("N");

    /// <summary>The store of this process.</summary>
    protected ILockStore Store { get; private set; } = null!;

    /// <summary>The store of another process.</summary>
    protected ILockStore Other { get; private set; } = null!;

    /// <summary>A name that no other test uses.</summary>
    protected string Name => $"contract:{_unique}";

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Creates a store. Called twice: the two stores share their locks, and stand for two processes.</summary>
    protected abstract ILockStore CreateStore();

    /// <summary>Lets time pass, for the store's own clock.</summary>
    protected abstract Task PassAsync(TimeSpan time);

    public virtual ValueTask InitializeAsync()
    {
        Store = CreateStore();
        Other = CreateStore();
        return default;
    }

    public virtual async ValueTask DisposeAsync()
    {
        foreach (ILockStore store in new[] { Store, Other })
        {
            if (store is IAsyncDisposable disposable)
            {
                await disposable.DisposeAsync();
            }
        }

        GC.SuppressFinalize(this);
    }

    protected static string NewLeaseId() => LockRequests.LeaseId();

    protected static LockHolder Holder(string node = "node-1") => LockRequests.Holder(node);

    protected static AcquireRequest Request(
        string name, TimeSpan? expiry = null, string node = "node-1", LockOccurrence? occurrence = null) =>
        LockRequests.Acquire(name, expiry ?? AMinute, node, occurrence);

    /// <summary>Takes a free lock.</summary>
    protected async Task<(AcquireRequest Request, long Token)> GrantedAsync(AcquireRequest request)
    {
        AcquireResult result = await Store.AcquireAsync(request, Cancellation);
        Assert.Equal(AcquireOutcome.Granted, result.Outcome);
        return (request, result.FencingToken);
    }

    protected Task<(AcquireRequest Request, long Token)> GrantedAsync(
        TimeSpan? expiry = null, LockOccurrence? occurrence = null, string node = "node-1") =>
        GrantedAsync(Request(Name, expiry, node, occurrence));

    /// <summary>Takes a lock as soon as it is free.</summary>
    protected async Task<AcquireResult> GrantedInTheEndAsync(AcquireRequest request) =>
        await Eventually.SeesAsync(
            () => Other.AcquireAsync(request, Cancellation).AsTask(), result => result.Outcome == AcquireOutcome.Granted);

    /// <summary>The answer to another process that asks for a lock.</summary>
    protected async Task<AcquireResult> AskedByAnotherAsync(string name, LockOccurrence? occurrence = null) =>
        await Other.AcquireAsync(Request(name, node: "node-2", occurrence: occurrence), Cancellation);

    protected async Task<RenewOutcome> RenewedAsync(AcquireRequest lease, TimeSpan? expiry = null)
    {
        RenewOutcome[] outcomes = new RenewOutcome[1];
        await Store.RenewAsync(new[] { LockRequests.Renew(lease, expiry) }, outcomes, Cancellation);
        return outcomes[0];
    }

    protected async Task<ReleaseOutcome> ReleasedAsync(AcquireRequest lease, TimeSpan keepFor = default, OccurrenceEnd? end = null) =>
        await Store.ReleaseAsync(LockRequests.Release(lease, keepFor, end), Cancellation);

    protected async Task<List<HeldLock>> ListedAsync(string? prefix)
    {
        List<HeldLock> held = [];
        await foreach (HeldLock one in Other.ListAsync(prefix, Cancellation))
        {
            held.Add(one);
        }

        return held;
    }

    protected static void AssertTimeLeft(TimeSpan? timeLeft, TimeSpan moreThan, TimeSpan atMost)
    {
        Assert.NotNull(timeLeft);
        Assert.True(timeLeft > moreThan && timeLeft <= atMost, $"{timeLeft} should be more than {moreThan} and at most {atMost}");
    }

    [Fact]
    public void The_suite_tests_the_store_that_it_names() =>
        Assert.IsType(GetType().GetCustomAttribute<StoreUnderTestAttribute>()?.Store!, Store);

    [Fact]
    public async Task A_store_that_answers_causes_no_warning() => Assert.Null(await Store.CheckAsync(Cancellation));
}
