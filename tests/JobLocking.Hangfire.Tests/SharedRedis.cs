using Hangfire;
using Hangfire.InMemory;
using Hangfire.Redis.StackExchange;
using Hangfire.Storage.SQLite;
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

    /// <summary>Says that it sets job parameters together with a state, and throws when it is to.</summary>
    Sqlite,
}

/// <summary>One redis-server for all tests that do not harm it; each test has key prefixes of its own.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("joblocking-hangfire-");

    private RedisServer? _server;

    private ConnectionMultiplexer? _connection;

    public string ConnectionString => _server!.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync(_server.ConnectionString);
    }

    public Cluster NewCluster(Storages storages = Storages.InMemory, bool isBlind = false) => new(ConnectionString, NewStorage(storages)) { IsBlind = isBlind };

    public JobStorage NewStorage(Storages storages) => storages switch
    {
        Storages.InMemory => new InMemoryStorage(),
        Storages.Sqlite => new SQLiteStorage(Path.Combine(_files.FullName, $"{Guid.NewGuid():N}.db"), new SQLiteStorageOptions { QueuePollInterval = TimeSpan.FromMilliseconds(50) }),
        _ => new RedisStorage(_connection, new RedisStorageOptions
        {
            Prefix = $"{{hangfire-{Guid.NewGuid():N}}}:",

            // A worker that looks at the queue just before a job comes misses its announcement, and would sleep for so long.
            FetchTimeout = TimeSpan.FromMilliseconds(100),
        }),
    };

    public async ValueTask DisposeAsync()
    {
        await _connection!.DisposeAsync();
        await _server!.DisposeAsync();
        _files.Delete(recursive: true);
    }
}
