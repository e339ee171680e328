using System.Collections.Concurrent;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A primary does not count a process that is subscribed at a replica, and a release would notify the whole queue.</summary>
public sealed class ProcessChannelTests : OwnServerTests
{
    private readonly ConcurrentQueue<LockNotification> _notices = new();

    private RedisServer _second = null!;

    private ConnectionMultiplexer _client = null!;

    private IServer Replica => _client.GetServer(_second.Endpoint);

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _second = await RedisServer.StartAsync();
        _client = await ConnectionMultiplexer.ConnectAsync($"{_second.ConnectionString},allowAdmin=true");
        await Replica.ExecuteAsync("REPLICAOF", "127.0.0.1", Server.Port);
        await ReplicatesAsync();
    }

    [Theory]
    [InlineData("resp2")]
    [InlineData("resp3")]
    public async Task After_an_outage_of_the_primary_a_release_wakes_one_waiter_and_not_the_whole_queue(string protocol)
    {
        await using RedisLockStore store = CreateStore($"{Both},protocol={protocol}");
        await using IAsyncDisposable listening = await store.SubscribeAsync(_notices.Enqueue, Cancellation);

        await Server.KillAsync();
        // As long as the client takes to discover the other servers.
        await Task.Delay(TimeSpan.FromSeconds(3), Cancellation);
        await Server.RestartAsync();
        await ReplicatesAsync();

        await TellsOneAsync(store, at: Redis.Multiplexer.GetServer(Server.Endpoint));
    }

    [Fact]
    public async Task After_a_failover_that_keeps_the_connections_a_release_wakes_one_waiter_and_not_the_whole_queue()
    {
        await using RedisLockStore store = CreateStore($"{Both},configCheckSeconds=1");
        await using IAsyncDisposable listening = await store.SubscribeAsync(_notices.Enqueue, Cancellation);

        await Redis.ExecuteAsync("FAILOVER");

        await TellsOneAsync(store, at: Replica);
    }

    [Fact]
    public async Task A_process_that_has_unsubscribed_is_not_subscribed_again()
    {
        await using RedisLockStore store = CreateStore($"{Both},configCheckSeconds=1");
        IAsyncDisposable listening = await store.SubscribeAsync(_notices.Enqueue, Cancellation);
        await Redis.ExecuteAsync("FAILOVER");
        await Eventually.SeesAsync(() => ChannelsAsync(Replica), channels => channels == 1);

        await listening.DisposeAsync();

        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
        Assert.Equal((0, 0), (await ChannelsAsync(Replica), await ChannelsAsync(Redis.Multiplexer.GetServer(Server.Endpoint))));
    }

    public override async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _second.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private string Both => $"{Server.ConnectionString},{_second.ConnectionString},connectTimeout=500,asyncTimeout=500";

    private async Task ReplicatesAsync() => await Eventually.SeesAsync(
        async () => (string)(await Replica.ExecuteAsync("INFO", "replication"))!, info => info.Contains("master_link_status:up", StringComparison.Ordinal));

    private static async Task<int> ChannelsAsync(IServer server) => ((RedisResult[])(await server.ExecuteAsync("PUBSUB", "CHANNELS", "*process*"))!).Length;

    private async Task TellsOneAsync(RedisLockStore store, IServer at)
    {
        await Eventually.SeesAsync(() => ChannelsAsync(at), channels => channels == 1);
        await Eventually.IsTrueAsync(() => _notices.Contains(new LockNotification.Reconnected()));
        AcquireRequest lease = LockRequests.Acquire(Name);
        await store.AcquireAsync(lease, Cancellation);
        AcquireRequest[] queued = [await QueuedAsync(WaiterRequest(), store), await QueuedAsync(WaiterRequest(), store), await QueuedAsync(WaiterRequest(), store)];

        await store.ReleaseAsync(LockRequests.Release(lease), Cancellation);

        await Eventually.IsTrueAsync(() => _notices.Contains(new LockNotification.WakeUp(Name, queued[0].Waiter!.Id, TimeSpan.Zero)));
        Assert.Equal(2, (long)await at.ExecuteAsync("ZCARD", QueueKey));
    }
}
