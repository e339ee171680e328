using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace JobLocking.Benchmarks;

/// <summary>Stands for a worker process: a host with an engine and a connection of its own.</summary>
internal sealed class Node : IAsyncDisposable
{
    private readonly IHost _host;

    private readonly IConnectionMultiplexer _connection;

    private Node(IHost host, IConnectionMultiplexer connection)
    {
        _host = host;
        _connection = connection;
    }

    public IServiceProvider Services => _host.Services;

    /// <summary>The connection of its locks.</summary>
    public IConnectionMultiplexer Connection => _connection;

    public ITaskLocks Locks => Services.GetRequiredService<ITaskLocks>();

    /// <summary>How many requests it has sent to the Redis of the locks.</summary>
    public long Requests => _connection.GetCounters().TotalSent();

    public static async Task<Node> StartAsync(BenchmarkRedis redis, string name, string keyPrefix, Action<IServiceCollection>? configure = null)
    {
        IConnectionMultiplexer connection = await redis.ConnectAsync();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "benchmarks" });
        builder.Logging.AddProvider(Observers.OfProcess);
        builder.Services.AddJobLocking(locking => locking.NodeName = name).UseRedis(options =>
        {
            options.ConnectionMultiplexerFactory = () => Task.FromResult(connection);
            options.KeyPrefix = keyPrefix;
        });
        configure?.Invoke(builder.Services);
        Node node = new(builder.Build(), connection);
        try
        {
            await node._host.StartAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        await _connection.DisposeAsync();
    }
}
