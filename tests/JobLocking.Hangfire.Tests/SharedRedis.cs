using Hangfire;
using Hangfire.InMemory;
using Hangfire.Redis.StackExchange;
using JobLocking.Hangfire.Tests;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

[assembly: AssemblyFixture(typeof(SharedRedis))]

namespace JobLocking.Hangfire.Tests;

/// <summary>Where Hangfire keeps its jobs.</summary>
public enum Storages
{
    InMemory,
    Redis,
}

/// <summary>One redis-server for all tests that do not harm it; each test has key prefixes of its own.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    private RedisServer? _server;

    private ConnectionMultiplexer? _connection;

    public string ConnectionString => _server!.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync(_server.ConnectionString);
    }

    public Cluster NewCluster(Storages storages = Storages.InMemory) => new(ConnectionString, NewStorage(storages));

    public JobStorage NewStorage(Storages storages) => storages == Storages.InMemory
        ? new InMemoryStorage()
        : new RedisStorage(_connection, new RedisStorageOptions
        {
            Prefix = $"{{hangfire-{Guid.NewGuid():N}}}:",

            // A worker that looks at the queue just before a job comes misses its announcement, and would sleep for so long.
            FetchTimeout = TimeSpan.FromMilliseconds(100),
        });

    public async ValueTask DisposeAsync()
    {
        await _connection!.DisposeAsync();
        await _server!.DisposeAsync();
    }
}
