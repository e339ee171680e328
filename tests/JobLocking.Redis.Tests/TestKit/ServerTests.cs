using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.TestKit;

public sealed class ServerTests
{
    [Fact]
    public async Task A_started_server_answers_and_a_restarted_one_is_empty_on_the_same_port()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        string endpoint = server.Endpoint;
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(server.ConnectionString);
        await connection.GetDatabase().StringSetAsync("here", "1");

        await server.RestartAsync();

        Assert.Equal(endpoint, server.Endpoint);
        await Eventually.IsTrueAsync(async () => !await connection.GetDatabase().KeyExistsAsync("here"));
    }

    [Fact]
    public async Task A_paused_server_answers_nothing_until_it_is_resumed()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection =
            await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},asyncTimeout=200");

        server.Pause();
        await Assert.ThrowsAsync<RedisTimeoutException>(() => connection.GetDatabase().PingAsync());

        server.Resume();
        await Eventually.IsTrueAsync(async () => await connection.GetDatabase().PingAsync() > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_server_that_cannot_start_says_why()
    {
        InvalidOperationException error =
            await Assert.ThrowsAsync<InvalidOperationException>(() => RedisServer.StartAsync("--no-such-option", "1"));

        Assert.Contains("no-such-option", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_clock_of_a_server_with_its_own_clock_can_be_set_forward_and_back()
    {
        await using RedisServer server = await RedisServer.StartWithOwnClockAsync();
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(server.ConnectionString);
        IServer redis = connection.GetServer(server.Endpoint);
        await connection.GetDatabase().StringSetAsync("short", "1", TimeSpan.FromMinutes(10));
        await connection.GetDatabase().StringSetAsync("long", "1", TimeSpan.FromHours(1));

        server.SetClock(TimeSpan.FromMinutes(20));
        Assert.InRange(await redis.TimeAsync() - DateTime.UtcNow, TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(25));
        Assert.False(await connection.GetDatabase().KeyExistsAsync("short"));
        Assert.True(await connection.GetDatabase().KeyExistsAsync("long"));

        server.SetClock(TimeSpan.FromMinutes(-20));
        Assert.InRange(await redis.TimeAsync() - DateTime.UtcNow, TimeSpan.FromMinutes(-25), TimeSpan.FromMinutes(-15));
    }

    [Fact]
    public async Task The_embedded_server_answers()
    {
        await using EmbeddedServer server = await EmbeddedServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(server.ConnectionString);

        RedisResult result = await connection.GetDatabase().ScriptEvaluateAsync("return redis.call('set', KEYS[1], '1', 'NX', 'PX', 1000)", ["key"]);

        Assert.Equal("OK", (string?)result);
    }

    [Fact]
    public async Task Eventually_says_at_its_time_out_what_it_last_saw()
    {
        int looks = 0;

        TimeoutException error = await Assert.ThrowsAsync<TimeoutException>(
            () => Eventually.SeesAsync(() => ++looks, seen => seen < 0, TimeSpan.FromMilliseconds(50)));

        Assert.Contains("seen < 0", error.Message, StringComparison.Ordinal);
        Assert.Contains($"Last seen: {looks}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_jump_of_the_wall_clock_moves_neither_timestamps_nor_timers()
    {
        SteadyTimeProvider time = new();
        int fired = 0;
        using ITimer timer = time.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(10), Timeout.InfiniteTimeSpan);
        long timestamp = time.GetTimestamp();
        DateTimeOffset now = time.GetUtcNow();

        time.JumpWallClock(TimeSpan.FromHours(1));

        Assert.Equal(TimeSpan.FromHours(1), time.GetUtcNow() - now);
        Assert.Equal(TimeSpan.Zero, time.GetElapsedTime(timestamp));
        Assert.Equal(0, fired);

        time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(1, fired);
    }
}
