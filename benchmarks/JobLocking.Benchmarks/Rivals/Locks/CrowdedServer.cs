using JobLocking.Benchmarks.Rivals.Locks.Clients;
using JobLocking.Engine;
using JobLocking.Redis.Keys;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>A server of its own where every second of so many names is held, and all have been; and so many nodes, each with a connection, that ask it for the others.</summary>
internal sealed class CrowdedServer : IAsyncDisposable
{
    /// <summary>Longer than any run.</summary>
    private static readonly TimeSpan Held = TimeSpan.FromDays(1);

    private readonly List<Node> _nodes = [];

    private readonly BenchmarkRedis _redis;

    private readonly int _names;

    private CrowdedServer(BenchmarkRedis redis, int names)
    {
        _redis = redis;
        _names = names;
    }

    private string Prefix => $"{_redis.Prefix}locks:";

    public static async Task<CrowdedServer> StartAsync(int names, int connections)
    {
        CrowdedServer server = new(await BenchmarkRedis.StartAsync(given: null), names);
        await using IConnectionMultiplexer connection = await server._redis.ConnectAsync();
        foreach (int[] some in Enumerable.Range(0, names).Chunk(1000))
        {
            await Task.WhenAll(some.Select(name => server.OccupyAsync(connection.GetDatabase(), name)));
        }

        for (int i = 0; i < connections; i++)
        {
            server._nodes.Add(await Node.StartAsync(server._redis, $"node-{i}", server.Prefix));
        }

        return server;
    }

    /// <summary>Takes and gives back so many locks, over all connections at once.</summary>
    /// <returns>How long the server took for a script, µs.</returns>
    public Task<double> MeasureAsync(int pairs, CancellationToken stop) => ScriptAsync(() => Task.WhenAll(
        _nodes.Select((node, i) => Task.Run(() => PairsAsync(node, i, Math.Max(1, pairs / _nodes.Count)), stop))).WaitAsync(stop));

    /// <summary>The least that a script can do which takes a lock, mints a token and gives the lock back, and nothing but that.</summary>
    /// <returns>How long the server took for it, µs.</returns>
    public async Task<double> MeasureLeastAsync(int times, CancellationToken stop)
    {
        const string Least = "redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) redis.call('SET', KEYS[2], '1', 'PX', ARGV[2]) redis.call('DEL', KEYS[1])";
        await using IConnectionMultiplexer connection = await _redis.ConnectAsync();
        IDatabase database = connection.GetDatabase();
        LockKeys keys = new(Prefix);
        Random random = new(times);
        return await ScriptAsync(async () =>
        {
            for (int i = 0; i < times; i++)
            {
                string name = Name(2 * random.Next(Math.Max(1, _names / 2)));
                await database.ScriptEvaluateAsync(Least, [keys.Lock(name), keys.Beside(name).Fence], [LeaseId.New(), (long)Held.TotalMilliseconds]).WaitAsync(stop);
            }
        });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Node node in _nodes)
        {
            await node.DisposeAsync();
        }

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

    private async Task OccupyAsync(IDatabase database, int number)
    {
        RawLock one = new(database, Prefix, Name(number), expiry: Held);
        await one.AcquireAsync();
        if (number % 2 == 0)
        {
            await one.ReleaseAsync();
        }
    }

    /// <summary>Each pair another name, and none that another node asks for.</summary>
    private async Task PairsAsync(Node node, int place, int pairs)
    {
        Random random = new(place);
        int own = Math.Max(1, _names / 2 / _nodes.Count);
        for (int i = 0; i < pairs; i++)
        {
            TaskLease? lease = await node.Locks.TryAcquireAsync(Name(2 * ((random.Next(own) * _nodes.Count) + place)));
            ILockClient.Expect(lease is not null, isFree: true);
            await lease!.DisposeAsync();
        }
    }
}
