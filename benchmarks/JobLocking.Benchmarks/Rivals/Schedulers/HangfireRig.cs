using System.Linq.Expressions;
using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.Redis.StackExchange;
using Hangfire.States;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// Hangfire with its storage on the Redis of the run, which the locks share over a connection of their own. All jobs of a round are
/// enqueued before its server starts, so that none of them waits for its creation; the server ends with the round, so that only what is
/// measured sends requests to Redis.
/// </summary>
internal sealed class HangfireRig : IAsyncDisposable
{
    private readonly BenchmarkRedis _redis;

    private readonly Node _node;

    private readonly IConnectionMultiplexer _connection;

    private readonly RedisStorage _storage;

    private readonly Timelines _timelines;

    private HangfireRig(BenchmarkRedis redis, Node node, IConnectionMultiplexer connection, RedisStorage storage, Timelines timelines)
    {
        _redis = redis;
        _node = node;
        _connection = connection;
        _storage = storage;
        _timelines = timelines;
    }

    /// <summary>The Redis of the locks, for code that takes some by hand.</summary>
    public IDatabase Locks => _node.Connection.GetDatabase();

    /// <summary>The prefix of the locks that are taken by hand.</summary>
    public string Prefix => $"{_redis.Prefix}by-hand:";

    public static async Task<HangfireRig> StartAsync(BenchmarkRedis redis)
    {
        Timelines timelines = new();
        Node node = await Node.StartAsync(redis, "worker", $"{redis.Prefix}schedulers:", services => services.AddSingleton(timelines));
        await RawLock.LoadAsync(node.Connection.GetDatabase());
        IConnectionMultiplexer connection = await redis.ConnectAsync();
        RedisStorageOptions options = new()
        {
            Prefix = $"{{{redis.Prefix}rivals}}:",

            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for minutes.
            FetchTimeout = TimeSpan.FromSeconds(1),
        };

        // So that the last rounds are measured on a server as full as the first.
        RedisStorage storage = new(connection, options) { JobExpirationTimeout = TimeSpan.FromMinutes(1) };
        return new HangfireRig(redis, node, connection, storage, timelines);
    }

    /// <summary>Creates jobs, starts a server, and stops it when the last of them has succeeded.</summary>
    /// <param name="configure">Gives the server its filters, from the services of its host.</param>
    /// <param name="workers">The number of workers of the server.</param>
    /// <param name="jobs">The number of jobs.</param>
    /// <param name="job">The job of each number.</param>
    /// <param name="state">The state in which each is created.</param>
    /// <param name="stop">Cancels the round.</param>
    /// <exception cref="InvalidOperationException">Not all jobs have succeeded, each once.</exception>
    public async Task<HangfireRound> RunAsync<T>(
        Action<BackgroundJobServerOptions, IServiceProvider> configure,
        int workers,
        int jobs,
        Func<int, Expression<Action<T>>> job,
        Func<int, IState> state,
        CancellationToken stop)
    {
        Timeline timeline = _timelines.Next(jobs);
        BackgroundJobClient client = new(_storage);
        for (int i = 0; i < jobs; i++)
        {
            timeline.JobIds.Add(client.Create(job(i), state(i)));
        }

        long succeeded = Succeeded();
        RedisTraffic before = await TrafficAsync();
        BackgroundJobServerOptions options = new()
        {
            WorkerCount = workers,
            Activator = new AspNetCoreJobActivator(_node.Services.GetRequiredService<IServiceScopeFactory>()),
        };
        configure(options, _node.Services);
        using (BackgroundJobServer server = new(options, _storage))
        {
            await timeline.AllEnded.WaitAsync(stop);
            server.SendStop();
            await server.WaitForShutdownAsync(stop);
        }

        HangfireRound round = new(timeline, await TrafficAsync() - before);
        return Succeeded() - succeeded == jobs
            ? round
            : throw new InvalidOperationException($"{Succeeded() - succeeded} of {jobs} jobs have succeeded.");
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private long Succeeded() => _storage.GetMonitoringApi().GetStatistics().Succeeded;

    private async Task<RedisTraffic> TrafficAsync() => new(_connection.GetCounters().TotalSent(), _node.Requests, await _redis.CommandsAsync());
}
