using Hangfire;
using Hangfire.AspNetCore;
using Hangfire.InMemory;
using Hangfire.Redis.StackExchange;
using Hangfire.States;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Handoff;

internal sealed class DeferredHangfireJob : DeferredJob
{
    private const string LockName = "deferred:hangfire";

    private readonly JobStorage _storage;

    private readonly IConnectionMultiplexer? _connection;

    private readonly BackgroundJobClient _client;

    private string _job = "";

    private DeferredHangfireJob(JobStorage storage, IConnectionMultiplexer? connection, Node holder, Node worker, Bodies bodies, BenchmarkRedis redis)
        : base(LockName, holder, worker, bodies, redis)
    {
        _storage = storage;
        _connection = connection;
        _client = new BackgroundJobClient(storage);
    }

    public override string Case => $"deferred Hangfire job, storage in {(_connection is null ? "memory" : "Redis")}";

    public static Task<DeferredHangfireJob> InMemoryAsync(BenchmarkRedis redis) => StartAsync(new InMemoryStorage(), connection: null, redis);

    /// <summary>The storage on the Redis of the locks, over a connection of its own.</summary>
    public static async Task<DeferredHangfireJob> InRedisAsync(BenchmarkRedis redis)
    {
        IConnectionMultiplexer connection = await redis.ConnectAsync();
        RedisStorageOptions options = new()
        {
            Prefix = $"{{{redis.Prefix}hangfire}}:",

            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for minutes.
            FetchTimeout = TimeSpan.FromSeconds(1),
        };
        return await StartAsync(new RedisStorage(connection, options), connection, redis);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        (_storage as IDisposable)?.Dispose();
        await (_connection?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    protected override Task StartAsync()
    {
        _job = _client.Enqueue<Job>(job => job.RunAsync());
        return Task.CompletedTask;
    }

    protected override Task<bool> IsDeferredAsync() => IsAsync(ScheduledState.StateName);

    protected override Task<bool> HasEndedAsync() => IsAsync(SucceededState.StateName);

    private static async Task<DeferredHangfireJob> StartAsync(JobStorage storage, IConnectionMultiplexer? connection, BenchmarkRedis redis)
    {
        Bodies bodies = new();
        string prefix = $"{redis.Prefix}{(connection is null ? "memory" : "redis")}:";
        Node holder = await Node.StartAsync(redis, "holder", prefix);
        Node worker = await Node.StartAsync(redis, "worker", prefix, services =>
        {
            services.AddSingleton(bodies);
            services.AddSingleton<IHostedService>(sp => new BackgroundJobServerHostedService(storage, Options(sp), []));
        });
        return new DeferredHangfireJob(storage, connection, holder, worker, bodies, redis);

        // Hangfire's defaults, except for one worker: others that look for jobs in Redis would count as traffic of the handoffs.
        static BackgroundJobServerOptions Options(IServiceProvider services) => new BackgroundJobServerOptions
        {
            WorkerCount = 1,
            Activator = new AspNetCoreJobActivator(services.GetRequiredService<IServiceScopeFactory>()),
        }.UseTaskLocks(services);
    }

    private Task<bool> IsAsync(string state) => Task.FromResult(_storage.GetMonitoringApi().JobDetails(_job).History[0].StateName == state);

    internal sealed class Job(Bodies bodies)
    {
        [TaskLock(LockName, OnConflict = LockConflict.Defer)]
        public Task RunAsync() => bodies.RunAsync();
    }
}
