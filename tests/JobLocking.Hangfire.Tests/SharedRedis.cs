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

/// <summary>The storage of Hangfire's jobs.</summary>
public enum Storages
{
    InMemory,
    Redis,

    /// <summary>Claims to set job parameters together with a state, and throws when it is asked to.</summary>
    Sqlite,
}

/// <summary>One redis-server for all tests that do not harm it; each test has key prefixes of its own.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("joblocking-hangfire-");

    private RedisServer? _server;

    private ConnectionMultiplexer? _connection;

    public string ConnectionString => _server!.ConnectionString;

    public IDatabase Database => _connection!.GetDatabase();

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync(_server.ConnectionString);
    }

    public Cluster NewCluster(Storages storages = Storages.InMemory, bool isBlind = false, bool hasTaskLockServices = false) =>
        new(ConnectionString, NewStorage(storages)) { IsBlind = isBlind, HasTaskLockServices = hasTaskLockServices };

    public JobStorage NewStorage(Storages storages) => storages switch
    {
        Storages.InMemory => new InMemoryStorage(),
        Storages.Sqlite => new SQLiteStorage(Path.Combine(_files.FullName, $"{Guid.NewGuid():N}.db"), new SQLiteStorageOptions { QueuePollInterval = TimeSpan.FromMilliseconds(50) }),
        _ => new RedisStorage(_connection, new RedisStorageOptions
        {
            Prefix = $"{{hangfire-{Guid.NewGuid():N}}}:",

            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for this long.
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
