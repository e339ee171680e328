using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests;

/// <summary>A store on a server, and another client that does what a foreign client or an operator does.</summary>
public abstract class RedisStoreTests : IAsyncLifetime
{
    private ConnectionMultiplexer _client = null!;

    private RedisLockStore _store = null!;

    protected string Name { get; } = $"test:{Guid.NewGuid():N}";

    protected string LockKey => $"task_lock:{Name}";

    protected string FenceKey => KeyBeside("fence");

    protected string QueueKey => KeyBeside("queue");

    protected string WaitersKey => KeyBeside("waiters");

    protected string HoldersKey => KeyBeside("holders");

    protected string LimitsKey => KeyBeside("limits");

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected ILockStore Store => _store;

    protected IDatabase Redis => _client.GetDatabase();

    /// <summary>If the test has a server of its own, it is started before the store is created.</summary>
    protected abstract ValueTask<string> ConnectionStringAsync();

    public virtual async ValueTask InitializeAsync()
    {
        string connectionString = await ConnectionStringAsync();
        _client = await ConnectionMultiplexer.ConnectAsync($"{connectionString},allowAdmin=true");
        _store = CreateStore(connectionString);
    }

    public virtual async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _client.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    internal static RedisLockStore CreateStore(string connectionString) => new(new RedisLockOptions { Configuration = connectionString }, TimeProvider.System);

    protected string KeyBeside(string what) => $"{{{LockKey}}}:{what}";

    protected AcquireRequest Shared(int limit, TimeSpan? expiry = null, string node = "node-1") =>
        LockRequests.Acquire(Name, expiry, node) with { Limit = limit };

    /// <summary>A request that is queued if it is refused.</summary>
    protected AcquireRequest WaiterRequest(int limit = 1, TimeSpan? lapsesAfter = null, string node = "node-1") =>
        Shared(limit, node: node) with { Waiter = new WaiterEntry(LockRequests.LeaseId(), lapsesAfter ?? TimeSpan.FromMinutes(1)) };

    /// <summary>Asks for a taken lock: it is queued.</summary>
    /// <returns>The request to send again, for the same position.</returns>
    protected async Task<AcquireRequest> QueuedAsync(AcquireRequest request, ILockStore? store = null)
    {
        AcquireResult result = await (store ?? Store).AcquireAsync(request, Cancellation);
        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.True(result.QueuedSince > 0);
        return request with { Waiter = request.Waiter! with { Since = result.QueuedSince } };
    }

    protected async Task<PollResult> PolledAsync(AcquireRequest queued) =>
        await Store.PollAsync(new PollRequest(queued.Name, queued.Limit, queued.Waiter!, queued.Holder, queued.Occurrence), Cancellation);

    /// <summary>Takes a waiter out of the queue, whether or not it was woken.</summary>
    protected async Task LeavesAsync(AcquireRequest waiter) => await Store.LeaveAsync(new LeaveRequest(waiter.Name, waiter.Waiter!.Id), Cancellation);

    protected async Task<AcquireRequest> GrantedAsync(AcquireRequest request)
    {
        Assert.Equal(AcquireOutcome.Granted, (await AskAsync(request)).Outcome);
        return request;
    }

    protected async Task<AcquireResult> AskAsync(AcquireRequest request) => await Store.AcquireAsync(request, Cancellation);

    protected async Task<AcquireRequest> GrantedAsync(LockOccurrence? occurrence = null, string? name = null) =>
        await GrantedAsync(LockRequests.Acquire(name ?? Name, occurrence: occurrence));

    protected async Task<RenewOutcome> RenewedAsync(AcquireRequest lease)
    {
        RenewOutcome[] outcomes = new RenewOutcome[1];
        await Store.RenewAsync(new[] { LockRequests.Renew(lease) }, outcomes, Cancellation);
        return outcomes[0];
    }

    protected async Task<ReleaseOutcome> ReleasedAsync(AcquireRequest lease, TimeSpan keepFor = default, OccurrenceEnd? end = null) =>
        await Store.ReleaseAsync(LockRequests.Release(lease, keepFor, end), Cancellation);

    protected async Task<LockStoreException> RefusedAsync(AcquireRequest request) =>
        await Assert.ThrowsAsync<LockStoreException>(async () => await Store.AcquireAsync(request, Cancellation));
}

/// <summary>A server of the test's own, which it may freeze, kill and misconfigure.</summary>
public abstract class OwnServerTests(params string[] arguments) : RedisStoreTests
{
    protected RedisServer Server { get; private set; } = null!;

    protected override async ValueTask<string> ConnectionStringAsync()
    {
        Server = await RedisServer.StartAsync(arguments);

        // Short, so that a test which waits for a time-out does not wait for long.
        return $"{Server.ConnectionString},connectTimeout=500,asyncTimeout=500";
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await Server.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
