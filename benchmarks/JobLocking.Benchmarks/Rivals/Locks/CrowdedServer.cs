using JobLocking.Benchmarks.Rivals.Locks.Clients;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// A server of its own on which every second of many names is held, and all have been held; and nodes, each with a connection, that request
/// the other names.
/// </summary>
internal sealed class CrowdedServer : IAsyncDisposable
{
    /// <summary>Longer than any run.</summary>
    private static readonly TimeSpan Held = TimeSpan.FromDays(1);

    /// <summary>About the size of a lease with its holder.</summary>
    private const int ValueLength = 200;

    private readonly List<Node> _nodes = [];

    private readonly BenchmarkRedis _redis;

    private readonly IConnectionMultiplexer _connection;

    private readonly int _names;

    private CrowdedServer(BenchmarkRedis redis, IConnectionMultiplexer connection, int names)
    {
        _redis = redis;
        _connection = connection;
        _names = names;
    }

    private string Prefix => $"{_redis.Prefix}locks:";

    public static async Task<CrowdedServer> StartAsync(int names, int connections)
    {
        BenchmarkRedis redis = await BenchmarkRedis.StartAsync(given: null);
        CrowdedServer server = new(redis, await redis.ConnectAsync(), names);
        foreach (int[] some in Enumerable.Range(0, names).Chunk(1000))
        {
            await Task.WhenAll(some.Select(server.OccupyAsync));
        }

        for (int i = 0; i < connections; i++)
        {
            server._nodes.Add(await Node.StartAsync(server._redis, $"node-{i}", server.Prefix));
        }

        return server;
    }

    /// <summary>Acquires and releases this many locks, over all connections at once.</summary>
    /// <returns>How long the server took for a script, µs.</returns>
    public Task<double> MeasureAsync(int pairs, CancellationToken stop) => ScriptAsync(() => Task.WhenAll(
        _nodes.Select((node, i) => Task.Run(() => PairsAsync(node, i, Math.Max(1, pairs / _nodes.Count)), stop))).WaitAsync(stop));

    /// <summary>
    /// The least that two scripts can do if one takes a lock and mints a token from the last one, and the other releases the lock if it is
    /// its own, and checks whether an execution waits. The values are as long as ours.
    /// </summary>
    /// <returns>How long the server took for one of them, µs.</returns>
    public Task<double> MeasureLeastAsync(int pairs, CancellationToken stop) => ScriptAsync(async () =>
    {
        const string Acquire = "redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) redis.call('SET', KEYS[2], redis.call('GET', KEYS[2]) or '1', 'PX', ARGV[2])";
        const string Release = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end redis.call('EXISTS', KEYS[2])";
        IDatabase database = _connection.GetDatabase();
        LockKeys keys = new(Prefix);
        for (int i = 0; i < pairs; i++)
        {
            string name = Name(2 * Random.Shared.Next(Math.Max(1, _names / 2)));
            RedisKey key = keys.Lock(name);
            DerivedKeys derived = keys.Derived(name);
            RedisValue value = LeaseId.New().PadRight(ValueLength);
            await database.ScriptEvaluateAsync(Acquire, [key, derived.Fence], [value, (long)Held.TotalMilliseconds]).WaitAsync(stop);
            await database.ScriptEvaluateAsync(Release, [key, derived.Queue], [value]).WaitAsync(stop);
        }
    });

    public async ValueTask DisposeAsync()
    {
        foreach (Node node in _nodes)
        {
            await node.DisposeAsync();
        }

        await _connection.DisposeAsync();
        await _redis.DisposeAsync();
    }

    private static string Name(int number) => $"name-{number}";

    private async Task<double> ScriptAsync(Func<Task> during)
    {
        (long calls, TimeSpan time) = await _redis.ScriptsAsync();
        await during();
        (long callsAfter, TimeSpan timeAfter) = await _redis.ScriptsAsync();
        return (timeAfter - time).TotalMicroseconds / (callsAfter - calls);
    }

    private async Task OccupyAsync(int number)
    {
        RawLock one = new(_connection.GetDatabase(), Prefix, Name(number), expiry: Held);
        await one.AcquireAsync();
        if (number % 2 == 0)
        {
            await one.ReleaseAsync();
        }
    }

    /// <summary>A random name for each pair, and none that another node requests.</summary>
    private async Task PairsAsync(Node node, int place, int pairs)
    {
        int own = Math.Max(1, _names / 2 / _nodes.Count);
        for (int i = 0; i < pairs; i++)
        {
            TaskLease? lease = await node.Locks.TryAcquireAsync(Name(2 * ((Random.Shared.Next(own) * _nodes.Count) + place)));
            ILockClient.Expect(lease is not null, isFree: true);
            await lease!.DisposeAsync();
        }
    }
}
