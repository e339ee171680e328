using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Network;

/// <summary>The faults between a real Redis and the client that the locks use.</summary>
public sealed class FaultProxyRedisTests : IAsyncLifetime
{
    private const string Key = "count";

    private RedisServer _server = null!;

    private FaultProxy _proxy = null!;

    private ConnectionMultiplexer _client = null!;

    private ConnectionMultiplexer _witness = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync();
        _proxy = FaultProxy.Start(_server.Port);
        _client = await ConnectionMultiplexer.ConnectAsync(
            $"{_proxy.Endpoint},asyncTimeout=300,connectTimeout=300,abortConnect=false",
            options => options.HeartbeatInterval = TimeSpan.FromMilliseconds(50));
        _witness = await ConnectionMultiplexer.ConnectAsync(_server.Endpoint);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _witness.DisposeAsync();
        await _proxy.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_command_whose_held_reply_is_lost_was_carried_out_and_fails()
    {
        _proxy.HoldReplies();
        Task<long> increment = _client.GetDatabase().StringIncrementAsync(Key);
        await Eventually.IsTrueAsync(async () => await CountAsync() == 1);
        await Eventually.IsTrueAsync(() => _proxy.HeldBytes > 0);

        _proxy.DropHeld();

        await FailsAsync(increment);
        await ServesAgainAsync();
    }

    [Fact]
    public async Task A_command_whose_reply_is_cut_was_carried_out_and_fails()
    {
        Task cut = _proxy.CutInReply();

        await FailsAsync(_client.GetDatabase().StringIncrementAsync(Key));

        await cut.WaitAsync(Eventually.DefaultTimeout);
        await ServesAgainAsync();
    }

    [Fact]
    public async Task A_command_in_a_black_hole_fails_and_the_same_client_works_after_the_black_hole_ends()
    {
        _proxy.DropRequests = _proxy.DropReplies = true;

        await FailsAsync(_client.GetDatabase().StringIncrementAsync(Key));
        Assert.Equal(0, await CountAsync());

        _proxy.Mend();
        await ServesAgainAsync();
    }

    [Fact]
    public async Task A_subscriber_that_disconnected_unnoticed_still_counts_until_the_fault_ends()
    {
        RedisChannel channel = RedisChannel.Literal("news");
        await _client.GetSubscriber().SubscribeAsync(channel, (_, _) => { });
        await Eventually.IsTrueAsync(async () => await ListenersAsync(channel) == 1);
        _proxy.Refuse = true;

        _proxy.CutClientSide();
        await Eventually.IsTrueAsync(() => !_client.IsConnected);

        Assert.Equal(1, await ListenersAsync(channel));
        // A message that was published into the black hole is lost, and leaves a gap in the half-open connection that it was sent on.
        _proxy.CutAll();
        await Eventually.IsTrueAsync(async () => await ListenersAsync(channel) == 0);
        _proxy.Mend();
        await Eventually.IsTrueAsync(async () => await ListenersAsync(channel) == 1);
    }

    private Task<long> ListenersAsync(RedisChannel channel) => _witness.GetDatabase().PublishAsync(channel, "anybody?");

    private async Task<long> CountAsync() => (long)await _witness.GetDatabase().StringGetAsync(Key);

    private static async Task FailsAsync(Task command)
    {
        Exception? error = await Record.ExceptionAsync(() => command.WaitAsync(Eventually.DefaultTimeout));
        Assert.True(error is RedisConnectionException or RedisTimeoutException, $"not a failed connection: {error}");
    }

    /// <summary>The client recovers by itself, and no reply is mistaken for another.</summary>
    private async Task ServesAgainAsync()
    {
        await Eventually.IsTrueAsync(async () => await _client.GetDatabase().PingAsync() > TimeSpan.Zero);
        IDatabase database = _client.GetDatabase();
        RedisValue[] echoes = await Task.WhenAll(Enumerable.Range(0, 100).Select(async number => (RedisValue)(await database.ExecuteAsync("ECHO", $"{number}"))));
        Assert.Equal(Enumerable.Range(0, 100).Select(number => (RedisValue)$"{number}"), echoes);
    }
}
