using JobLocking.TestKit;

namespace JobLocking.Benchmarks.Handoff;

internal sealed class JobLockingNodes : ILockNodes, IAsyncDisposable
{
    private readonly List<Node> _nodes = [];

    public string Library => "JobLocking";

    public long Requests => _nodes.Sum(node => node.Requests);

    public static async Task<JobLockingNodes> StartAsync(BenchmarkRedis redis)
    {
        JobLockingNodes nodes = new();
        for (int i = 0; i < ILockNodes.Count; i++)
        {
            nodes._nodes.Add(await Node.StartAsync(redis, $"node-{i}", $"{redis.Prefix}waiters:"));
        }

        return nodes;
    }

    public async Task<IAsyncDisposable> AcquireAsync(int node, string name, CancellationToken cancellationToken) =>
        await _nodes[node].Locks.AcquireAsync(name, cancellationToken: cancellationToken);

    public Task AreWaitingAsync(string name, int waiters, CancellationToken cancellationToken) => Eventually.SeesAsync(
        async () => (await _nodes[0].Locks.ListAsync(name, cancellationToken).SingleAsync(cancellationToken)).Waiters.Count,
        queued => queued == waiters);

    public async ValueTask DisposeAsync()
    {
        foreach (Node node in _nodes)
        {
            await node.DisposeAsync();
        }
    }
}
