using Hangfire;
using Hangfire.InMemory;
using Hangfire.PostgreSql;
using Hangfire.PostgreSql.Factories;
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

    PostgreSql,

    /// <summary>Claims to set job parameters together with a state, and throws when it is asked to.</summary>
    Sqlite,
}

/// <summary>The storages that are tested. What a storage can do differently is tested on each of them.</summary>
public sealed class EachStorage : TheoryData<Storages>
{
    public EachStorage() => AddRange(Enum.GetValues<Storages>());
}

/// <summary>
/// One redis-server for all tests that do not harm it; each test has key prefixes of its own. The first test that needs PostgreSQL
/// starts one for all, in which each test has a schema of its own.
/// </summary>
public sealed class SharedRedis : IAsyncLifetime
{
    private readonly Lazy<Task<PostgresServer>> _postgres = new(() => Task.Run(PostgresServer.StartAsync));

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
        Storages.PostgreSql => NewPostgreSqlStorage(),
        Storages.Sqlite => new SQLiteStorage(Path.Combine(_files.FullName, $"{Guid.NewGuid():N}.db"), new SQLiteStorageOptions { QueuePollInterval = TimeSpan.FromMilliseconds(50) }),
        _ => new RedisStorage(_connection, new RedisStorageOptions
        {
            Prefix = $"{{hangfire-{Guid.NewGuid():N}}}:",

            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for this long.
            FetchTimeout = TimeSpan.FromMilliseconds(100),
        }),
    };

    private PostgreSqlStorage NewPostgreSqlStorage()
    {
        PostgreSqlStorageOptions options = new()
        {
            SchemaName = $"hangfire_{Guid.NewGuid():N}",
            QueuePollInterval = TimeSpan.FromMilliseconds(50),

            // Without the schema it would otherwise begin, and fail at the first use.
            AllowDegradedModeWithoutStorage = false,
        };
        return new PostgreSqlStorage(new NpgsqlConnectionFactory(_postgres.Value.GetAwaiter().GetResult().ConnectionString, options), options);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection!.DisposeAsync();
        await _server!.DisposeAsync();
        if (_postgres.IsValueCreated)
        {
            await (await _postgres.Value).DisposeAsync();
        }

        _files.Delete(recursive: true);
    }
}
