using System.Collections.Concurrent;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A failover behind one name: the old primary continues as a replica, and closes no connection.</summary>
public sealed class ReplacedConnectionTests : OwnServerTests
{
    /// <summary>One for requests, one for subscriptions, one for renewals.</summary>
    private const int Connections = 3;

    private readonly FakeTimeProvider _time = new();

    private readonly ConcurrentQueue<LockNotification> _notices = new();

    private RedisServer _second = null!;

    private MovingName _name = null!;

    private string Endpoint => $"{_name.Endpoint},name=ours,connectTimeout=1000,asyncTimeout=1000";

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _second = await RedisServer.StartAsync();
        _name = new MovingName(Server);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_that_leads_to_a_replica_is_replaced(bool fromTheStart)
    {
        if (fromTheStart)
        {
            await BecomesReplicaAsync();
        }

        await using RedisLockStore store = new(new RedisLockOptions { Configuration = Endpoint }, _time);
        await using IAsyncDisposable listening = await store.SubscribeAsync(_notices.Enqueue, Cancellation);
        if (!fromTheStart)
        {
            Assert.Null(await HealthAsync(store));
            await BecomesReplicaAsync();
        }

        _name.LeadsTo = _second;
        await Assert.ThrowsAsync<LockStoreException>(() => AcquireAsync(store));
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("READONLY", (await HealthAsync(store))?.Split("Redis answered '")[1].Split(' ')[0]);

        AcquireRequest lease = await Eventually.SeesAsync(
            async () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return await AcquireAsync(store);
            },
            lease => lease.LeaseId is not null);

        await Eventually.IsTrueAsync(() => _notices.OfType<LockNotification.Reconnected>().Any(notification => notification.ReplacedBecause is not null));
        await store.BreakAsync(lease.Name, (await store.AcquireAsync(lease, Cancellation)).FencingToken, Cancellation);
        await Eventually.IsTrueAsync(() => _notices.Contains(new LockNotification.Broken(lease.LeaseId)));

        // The old primary is a replica of the new one.
        Assert.Contains("has replicas, but min-replicas-to-write is 0", await HealthAsync(store), StringComparison.Ordinal);

        // The time of the connection for renewals may have begun later.
        await Eventually.SeesAsync(
            async () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return await OursAsync(Redis);
            },
            ours => ours.Length == 0);
    }

    [Fact]
    public async Task A_connection_is_kept_while_its_name_leads_to_no_other_primary()
    {
        // With the default time-outs of the client library: on a busy machine it drops a silent connection after four times as long.
        await using RedisLockStore store = new(new RedisLockOptions { Configuration = $"{_name.Endpoint},name=ours" }, _time);
        await AcquireAsync(store);

        // The connection of the renewals comes in the background.
        string[] before = await Eventually.SeesAsync(async () => await OursAsync(Redis), ours => ours.Length == Connections);
        await BecomesReplicaAsync();

        int connections = _name.Connections;
        await Assert.ThrowsAsync<LockStoreException>(() => AcquireAsync(store));
        await Eventually.IsTrueAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return _name.Connections > connections + 3;
        });

        // While time stands still no other attempt begins, and failed connections are closed.
        await Eventually.SeesAsync(async () => await OursAsync(Redis), after => after.SequenceEqual(before));
        await Redis.Multiplexer.GetServer(Server.Endpoint).ExecuteAsync("REPLICAOF", "NO", "ONE");
        await Eventually.SeesAsync(async () => await AcquireAsync(store), lease => lease.LeaseId is not null);
    }

    [Fact]
    public async Task A_connection_that_the_user_handed_over_is_reported_and_left_alone()
    {
        int calls = 0;
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(Endpoint);
        await using RedisLockStore store = new(
            new RedisLockOptions
            {
                ConnectionMultiplexerFactory = () =>
                {
                    calls++;
                    return Task.FromResult<IConnectionMultiplexer>(theirs);
                },
            },
            _time);
        Assert.Null(await HealthAsync(store));
        await BecomesReplicaAsync();
        _name.LeadsTo = _second;

        Assert.Contains("READONLY", await HealthAsync(store), StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromMinutes(5));

        Assert.Contains("READONLY", await HealthAsync(store), StringComparison.Ordinal);
        Assert.Equal((1, true), (calls, theirs.IsConnected));
    }

    public override async ValueTask DisposeAsync()
    {
        await _name.DisposeAsync();
        await _second.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private async Task BecomesReplicaAsync() =>
        await Redis.Multiplexer.GetServer(Server.Endpoint).ExecuteAsync("REPLICAOF", "127.0.0.1", _second.Port);

    private static async Task<AcquireRequest> AcquireAsync(RedisLockStore store)
    {
        AcquireRequest lease = LockRequests.Acquire($"lease:{Guid.NewGuid():N}");
        await store.AcquireAsync(lease, Cancellation);
        return lease;
    }

    // The test's clock differs widely from the server's.
    private static async Task<string?> HealthAsync(RedisLockStore store)
    {
        try
        {
            return await store.CheckAsync(Cancellation) is { } warning && !warning.StartsWith("The clock", StringComparison.Ordinal) ? warning : null;
        }
        catch (LockStoreException error)
        {
            return error.Message;
        }
    }

    private static async Task<string[]> OursAsync(IDatabase redis) =>
    [
        .. ((string)(await redis.Multiplexer.GetServers()[0].ExecuteAsync("CLIENT", "LIST"))!).Split('\n')
            .Where(client => client.Contains("name=ours", StringComparison.Ordinal))
            .Select(client => client.Split(' ')[0]),
    ];
}
