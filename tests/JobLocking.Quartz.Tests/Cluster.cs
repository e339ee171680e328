namespace JobLocking.Quartz.Tests;

/// <summary>Nodes that share the locks of one Redis, and the journal of what their jobs do.</summary>
internal sealed class Cluster(SharedRedis redis) : IAsyncDisposable
{
    private readonly List<Node> _nodes = [];

    public Journal Journal { get; } = new();

    public string Redis => redis.Server.ConnectionString;

    /// <summary>Other clusters in the same Redis do not affect this one.</summary>
    public string KeyPrefix { get; } = $"test-{Guid.NewGuid():N}:";

    /// <summary>Starts a node with a scheduler in memory.</summary>
    /// <param name="name">The name of the node.</param>
    /// <param name="configure">Changes the options of the node.</param>
    public async Task<Node> StartAsync(string name, Action<NodeOptions>? configure = null)
    {
        NodeOptions options = new(name);
        configure?.Invoke(options);
        Node node = new(this, options);
        _nodes.Add(node);
        await node.StartAsync();
        return node;
    }

    public async ValueTask DisposeAsync()
    {
        Journal.LetAllEnd();
        foreach (Node node in _nodes)
        {
            await node.DisposeAsync();
        }
    }
}
