using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using JobLocking.ChaosTests.History;
using JobLocking.ChaosTests.Network;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests;

/// <summary>
/// Worker processes, each behind a proxy of its own, the Redis of their locks, and another that no fault reaches, for what
/// the locks protect. Every fault is made here, so that it stands in the history beside what the workers tell.
/// </summary>
internal sealed class Lab : IAsyncDisposable
{
    /// <summary>For a fault of the server, and in place of the name of a process.</summary>
    public const string Server = "redis";

    /// <summary>Replies come within a millisecond here: who waits longer has lost them.</summary>
    private const string Impatient = "asyncTimeout=1000,syncTimeout=1000,connectTimeout=1000,abortConnect=false,connectRetry=1";

    private readonly ConcurrentQueue<HistoryEvent> _faults = new();
    private readonly RedisServer _resource;
    private readonly ConnectionMultiplexer _resourceConnection;
    private readonly List<Worker> _workers = [];

    private Lab(RedisServer redis, RedisServer resource, ConnectionMultiplexer resourceConnection) =>
        (Redis, _resource, _resourceConnection) = (redis, resource, resourceConnection);

    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>The server of the locks.</summary>
    public RedisServer Redis { get; }

    public IReadOnlyList<Worker> Workers => _workers;

    /// <summary>What all have told, in the order in which it happened.</summary>
    public IReadOnlyList<HistoryEvent> History =>
        [.. _workers.SelectMany(w => w.Process.Facts).Select(HistoryEvent.Parse).OfType<HistoryEvent>().Concat(_faults).OrderBy(e => e.At)];

    /// <param name="arguments">For the server of the locks.</param>
    public static async Task<Lab> StartAsync(params string[] arguments)
    {
        RedisServer redis = await RedisServer.StartAsync(arguments);
        RedisServer resource = await RedisServer.StartAsync();
        return new Lab(redis, resource, await ConnectionMultiplexer.ConnectAsync(resource.ConnectionString));
    }

    /// <summary>Starts a worker behind a proxy of its own.</summary>
    /// <param name="name">Of the process, and of the node.</param>
    /// <param name="options">More for the connection of its locks, as <c>user=x,password=y</c>.</param>
    public async Task<Worker> WorkAsync(string name, string options = "")
    {
        FaultProxy proxy = FaultProxy.Start(Redis.Port);
        WorkerProcess process = await WorkerProcess.StartAsync("chaos", string.Join(',', proxy.Endpoint, Impatient, options).TrimEnd(','), _resource.ConnectionString, name);
        Worker worker = new(this, name, process, proxy);
        lock (_workers)
        {
            _workers.Add(worker);
        }

        return worker;
    }

    public Task<Worker[]> WorkAsync(int count) => Task.WhenAll(Enumerable.Range(1, count).Select(i => WorkAsync($"worker-{i}")));

    /// <summary>A client of the server of the locks, for faults that are commands.</summary>
    public async Task CommandAsync(string command, params object[] arguments)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{Redis.ConnectionString},allowAdmin=true");
        await connection.GetDatabase().ExecuteAsync(command, arguments);
    }

    public void Began(string fault, string whom = Server, string @lock = "") => _faults.Enqueue(HistoryEvent.Now(whom, Happening.FaultBegan, @lock: @lock, detail: fault));

    public void Ended(string fault, string whom = Server, string @lock = "") => _faults.Enqueue(HistoryEvent.Now(whom, Happening.FaultEnded, @lock: @lock, detail: fault));

    /// <summary>Tell it when the data of the locks is gone: before it is done, for nobody can tell later in which moment it was.</summary>
    /// <param name="lock">Empty for all.</param>
    public void Erased(string @lock = "") => _faults.Enqueue(HistoryEvent.Now(Server, Happening.Erased, @lock: @lock));

    public void Healed() => _faults.Enqueue(HistoryEvent.Now(Server, Happening.Healed));

    /// <summary>Waits until so many of an event have been told after a moment.</summary>
    public Task<IReadOnlyList<HistoryEvent>> SeesAsync(Happening what, string process = "", int count = 1, long since = 0) => Eventually.SeesAsync<IReadOnlyList<HistoryEvent>>(
        () => [.. History.Where(e => e.What == what && e.At >= since && (process.Length == 0 || e.Process == process))],
        seen => seen.Count >= count,
        TimeSpan.FromSeconds(60),
        $"{count} times {what} {process}");

    /// <summary>Everybody who lives comes to rest; nothing that was locked is left.</summary>
    /// <param name="locks">What each lock was taken with.</param>
    /// <param name="exceptions">What the fault allows.</param>
    public async Task<IReadOnlyList<HistoryEvent>> JudgeAsync(IReadOnlyDictionary<string, LockTerms> locks, Exceptions exceptions = Exceptions.None)
    {
        Worker[] living = [.. _workers.Where(w => !w.Process.WasKilled)];
        await Task.WhenAll(living.Select(w => w.RestAsync()));
        await FindOrphansAsync(locks);
        IReadOnlyList<HistoryEvent> history = History;
        Assert.Contains(history, e => e.What == Happening.Granted);
        Violation[] violations = [.. Checker.Check(history, new Terms(locks, exceptions)), .. await CountAsync(history, exceptions)];
        Assert.True(violations.Length == 0, $"{string.Join(Environment.NewLine, violations.Take(10))}\nThe history: {Keep(history)}");
        return history;
    }

    /// <summary>A history that was judged bad is kept for whoever looks into it.</summary>
    private static string Keep(IReadOnlyList<HistoryEvent> history)
    {
        string file = Path.Combine(Path.GetTempPath(), $"joblocking-history-{Guid.NewGuid():N}.tsv");
        File.WriteAllLines(file, history.Select(e => e.ToString()));
        return file;
    }

    /// <summary>Whoever died has left his leases, which end with their expiry; nothing else is left of a lock.</summary>
    private async Task FindOrphansAsync(IEnumerable<string> locks, TimeSpan expiry)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(Redis.ConnectionString);
        IDatabase database = connection.GetDatabase();
        long rested = Now;
        foreach (string name in locks)
        {
            while (await database.KeyExistsAsync($"task_lock:{name}"))
            {
                if (Stopwatch.GetElapsedTime(rested) > expiry)
                {
                    _faults.Enqueue(HistoryEvent.Now(Server, Happening.Orphan, @lock: name, detail: $"{await database.KeyTypeAsync($"task_lock:{name}")}"));
                    break;
                }

                await Task.Delay(20);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Worker worker in _workers)
        {
            await worker.Process.DisposeAsync();
            await worker.Link.DisposeAsync();
        }

        await _resourceConnection.DisposeAsync();
        await Redis.DisposeAsync();
        await _resource.DisposeAsync();
    }
}
