using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A plain list of a primary and its replica, which is promoted while the old primary goes on.</summary>
public sealed class TwoPrimariesTests : OwnServerTests
{
    [Fact]
    public async Task Locks_are_unavailable_while_two_servers_accept_writes()
    {
        await using RedisServer second = await RedisServer.StartAsync("--replicaof", "127.0.0.1", $"{Server.Port}");
        await using RedisLockStore store = CreateStore($"{Server.ConnectionString},{second.ConnectionString},configCheckSeconds=1");
        await GrantedAsync(store);

        await RoleAsync(second, "NO", "ONE");

        LockStoreException failure = await Eventually.SeesAsync(
            () => Assert.ThrowsAsync<LockStoreException>(() => GrantedAsync(store)),
            failure => failure.Message.Contains("there are two primaries", StringComparison.Ordinal));
        Assert.False(failure.MayHaveBeenApplied);
        Assert.All([Server.Endpoint, second.Endpoint], at => Assert.Contains(at, failure.Message, StringComparison.Ordinal));
        Assert.False(store.ServerOf(Name).IsConnected);
        failure = await Assert.ThrowsAsync<LockStoreException>(async () => await store.CheckAsync(Cancellation));
        Assert.Contains("there are two primaries", failure.Message, StringComparison.Ordinal);

        await RoleAsync(second, "127.0.0.1", $"{Server.Port}");
        await Eventually.SeesAsync(() => GrantedAsync(store), granted => granted);
    }

    private static async Task<bool> GrantedAsync(RedisLockStore store) =>
        (await store.AcquireAsync(LockRequests.Acquire($"lease:{Guid.NewGuid():N}"), Cancellation)).Outcome == AcquireOutcome.Granted;

    private static async Task RoleAsync(RedisServer server, params object[] of)
    {
        await using StackExchange.Redis.ConnectionMultiplexer connection =
            await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},allowAdmin=true");
        await connection.GetServers()[0].ExecuteAsync("REPLICAOF", of);
    }
}
