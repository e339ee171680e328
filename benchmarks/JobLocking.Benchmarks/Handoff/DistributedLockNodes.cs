using Medallion.Threading.Redis;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Handoff;

internal sealed class DistributedLockNodes : ILockNodes, IAsyncDisposable
{
    private readonly List<IConnectionMultiplexer> _connections = [];

    private readonly Random _random = new(Seed: 1);

    private readonly string _prefix;

    private DistributedLockNodes(string prefix) => _prefix = prefix;

    public string Library => "DistributedLock.Redis";

    public long Requests => _connections.Sum(connection => connection.GetCounters().TotalSent());

    public static async Task<DistributedLockNodes> StartAsync(BenchmarkRedis redis)
    {
        DistributedLockNodes nodes = new($"{redis.Prefix}distributed-lock:");
        for (int i = 0; i < ILockNodes.Count; i++)
        {
            nodes._connections.Add(await redis.ConnectAsync());
        }

        return nodes;
    }

    public async Task<IAsyncDisposable> AcquireAsync(int node, string name, CancellationToken cancellationToken) =>
        await new RedisDistributedLock($"{_prefix}{name}", _connections[node].GetDatabase()).AcquireAsync(timeout: null, cancellationToken);

    /// <remarks>
    /// Its waiters leave no trace, so they get time. They sleep between two tries, up to 800 ms: a constant time would always find them at
    /// the same stage of their sleep.
    /// </remarks>
    public Task AreWaitingAsync(string name, int waiters, CancellationToken cancellationToken) =>
        Task.Delay(TimeSpan.FromMilliseconds(200 + _random.Next(800)), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (IConnectionMultiplexer connection in _connections)
        {
            await connection.DisposeAsync();
        }
    }
}
