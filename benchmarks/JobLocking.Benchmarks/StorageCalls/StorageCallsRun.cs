using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.InMemory;
using Hangfire.PostgreSql;
using Hangfire.PostgreSql.Factories;
using Hangfire.Redis.StackExchange;
using Hangfire.States;
using Hangfire.Storage.SQLite;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.StorageCalls;

/// <summary>Runs one job after the other on a server with one worker, and reads what each has cost.</summary>
internal sealed class StorageCallsRun : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>Hangfire removes a job from its queue after it has changed its state.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(300);

    private readonly JobStorage _storage;
    private readonly CountedStorage _counted;
    private readonly Node _worker;
    private readonly Node _other;
    private readonly int _rounds;
    private readonly BackgroundJobClient _client;
    private readonly RecurringJobManager _recurring;

    private StorageCallsRun(JobStorage storage, CountedStorage counted, Node worker, Node other, int rounds)
    {
        (_storage, _counted, _worker, _other, _rounds) = (storage, counted, worker, other, rounds);
        _client = new BackgroundJobClient(storage);
        _recurring = new RecurringJobManager(storage);
    }

    public static async IAsyncEnumerable<(string Storage, string Job, StorageCost Cost, StorageCost Bare)> MeasureAsync(
        BenchmarkRedis redis, int rounds, [EnumeratorCancellation] CancellationToken stop)
    {
        await using IConnectionMultiplexer connection = await redis.ConnectAsync();
        await using PostgresServer postgres = await PostgresServer.StartAsync();
        DirectoryInfo files = Directory.CreateTempSubdirectory("joblocking-storage-calls-");
        PostgreSqlStorageOptions postgresOptions = new() { QueuePollInterval = Poll };
        (string, JobStorage)[] storages =
        [
            ("InMemory", new InMemoryStorage()),
            ("Redis", new RedisStorage(connection, new RedisStorageOptions { Prefix = $"{{{redis.Prefix}jobs}}:", FetchTimeout = Poll })),
            ("PostgreSQL", new PostgreSqlStorage(new NpgsqlConnectionFactory(postgres.ConnectionString, postgresOptions), postgresOptions)),
            ("SQLite", new SQLiteStorage(Path.Combine(files.FullName, "jobs.db"), new SQLiteStorageOptions { QueuePollInterval = Poll })),
        ];
        foreach ((string name, JobStorage storage) in storages)
        {
            await using StorageCallsRun run = await StartAsync(redis, storage, $"{redis.Prefix}{name}:", rounds);
            StorageCost? bare = null;
            await foreach ((string job, StorageCost cost) in run.MeasureAsync(stop))
            {
                yield return (name, job, cost, bare ??= cost);
            }
        }

        files.Delete(recursive: true);
    }

    private static async Task<StorageCallsRun> StartAsync(BenchmarkRedis redis, JobStorage storage, string keyPrefix, int rounds)
    {
        CountedStorage counted = new(storage);
        Node worker = await Node.StartAsync(redis, "worker", keyPrefix, services =>
        {
            services.AddSingleton<IGlobalConfiguration>(GlobalConfiguration.Configuration); // Not AddHangfire: it would configure the whole process.
            services.AddHangfireServer(
                (sp, options) =>
                {
                    options.WorkerCount = 1;
                    options.SchedulePollingInterval = TimeSpan.FromHours(1); // A deferred job comes back only by its wake-up.
                    options.Activator = new global::Hangfire.AspNetCore.AspNetCoreJobActivator(sp.GetRequiredService<IServiceScopeFactory>());
                    options.UseTaskLocks(sp);
                },
                counted.Storage,
                []);
            services.AddHangfireTaskLocks();
        });
        return new StorageCallsRun(storage, counted, worker, await Node.StartAsync(redis, "other", keyPrefix), rounds);
    }

    private async IAsyncEnumerable<(string Job, StorageCost Cost)> MeasureAsync([EnumeratorCancellation] CancellationToken stop)
    {
        yield return ("without a lock", await OfAsync(() => _client.Enqueue<StorageJobs>(jobs => jobs.Bare()), SucceededState.StateName, stop));
        yield return ("[DisableConcurrentExecution], free", await OfAsync(() => _client.Enqueue<StorageJobs>(jobs => jobs.Serialized()), SucceededState.StateName, stop));
        yield return ("[TaskLock], free", await OfAsync(() => _client.Enqueue<StorageJobs>(jobs => jobs.Locked()), SucceededState.StateName, stop));
        _recurring.AddOrUpdate<StorageJobs>("locked", jobs => jobs.Locked(), Cron.Yearly());
        yield return ("[TaskLock], free, recurring", await OfAsync(() => _recurring.TriggerJob("locked"), SucceededState.StateName, stop));
        foreach ((string holder, Node node) in ((string, Node)[])[("this process", _worker), ("another process", _other)])
        {
            await using (await node.Locks.TryAcquireAsync(StorageJobs.LockName, cancellationToken: stop))
            {
                yield return ($"skipped, {holder} has the lock", await OfAsync(() => _client.Enqueue<StorageJobs>(jobs => jobs.Skipped()), DeletedState.StateName, stop));
            }
        }

        yield return ("deferred, woken and run", await OfAsync(DeferAsync, SucceededState.StateName, stop));

        async Task<string> DeferAsync()
        {
            await using (await _other.Locks.TryAcquireAsync(StorageJobs.LockName, cancellationToken: stop))
            {
                string job = _client.Enqueue<StorageJobs>(jobs => jobs.Deferred());
                await IsAsync(job, ScheduledState.StateName, stop);
                await Task.Delay(Rest, stop);
                return job;
            }
        }
    }

    private Task<StorageCost> OfAsync(Func<string> create, string state, CancellationToken stop) => OfAsync(() => Task.FromResult(create()), state, stop);

    private async Task<StorageCost> OfAsync(Func<Task<string>> create, string state, CancellationToken stop)
    {
        List<StorageCost> costs = [];

        // The first round is not counted: it reads what is then known.
        for (int round = 0; round <= _rounds; round++)
        {
            _counted.Take();
            await IsAsync(await create(), state, stop);
            await Task.Delay(Rest, stop);
            costs.Add(_counted.Take());
        }

        return costs.Skip(1).OrderBy(cost => cost.Calls).ElementAt(_rounds / 2);
    }

    private async Task IsAsync(string job, string state, CancellationToken stop)
    {
        while (_storage.GetMonitoringApi().JobDetails(job) is not { History: [{ } last, ..] } || last.StateName != state)
        {
            await Task.Delay(Poll, stop);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _other.DisposeAsync();
        (_storage as IDisposable)?.Dispose();
    }
}
