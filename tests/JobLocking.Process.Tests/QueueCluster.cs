using System.Globalization;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>
/// Worker processes whose executions need one lock, with one Redis for their locks and one for their jobs, so that the commands for each
/// can be counted.
/// </summary>
internal sealed class QueueCluster : IAsyncDisposable
{
    private readonly RedisServer _locks;
    private readonly RedisServer _jobs;
    private readonly ConnectionMultiplexer _lockConnection;
    private readonly ConnectionMultiplexer _jobConnection;
    private readonly List<(WorkerProcess Process, string Deployment)> _workers = [];
    private int _deferred;

    private QueueCluster(RedisServer locks, RedisServer jobs, ConnectionMultiplexer lockConnection, ConnectionMultiplexer jobConnection) =>
        (_locks, _jobs, _lockConnection, _jobConnection) = (locks, jobs, lockConnection, jobConnection);

    private IDatabase Locks => _lockConnection.GetDatabase();

    private IDatabase Jobs => _jobConnection.GetDatabase();

    private IEnumerable<string> Facts => _workers.SelectMany(w => w.Process.Facts);

    public static async Task<QueueCluster> StartAsync()
    {
        RedisServer locks = await RedisServer.StartAsync();
        RedisServer jobs = await RedisServer.StartAsync();
        return new QueueCluster(locks, jobs, await ConnectAsync(locks), await ConnectAsync(jobs));
    }

    /// <summary>Starts a process of each named deployment.</summary>
    public Task<WorkerProcess[]> StartAsync(params string[] deployments) => Task.WhenAll(deployments.Select(deployment => StartAsync(deployment, limit: 1)));

    public async Task<WorkerProcess> StartAsync(string deployment, int limit)
    {
        WorkerProcess worker = await WorkerProcess.StartAsync(
            "queue", _locks.ConnectionString, _jobs.ConnectionString, deployment, limit.ToString(CultureInfo.InvariantCulture));
        lock (_workers)
        {
            _workers.Add((worker, deployment));
        }

        return worker;
    }

    /// <summary>
    /// Starts this many executions of each kind in a process, and waits until all of them are in the waiting queue and their deferrals are
    /// stored.
    /// </summary>
    public async Task EnqueueAsync(WorkerProcess worker, int hangfire, int quartz, int wait, string work = "")
    {
        string deployment = _workers.Single(w => w.Process == worker).Deployment;
        long queuedBefore = await QueuedAsync();
        long scheduledBefore = await ScheduledAsync(deployment);
        worker.Tell($"hangfire {hangfire} {work}".TrimEnd());
        worker.Tell($"quartz {quartz} {work}".TrimEnd());
        worker.Tell($"wait {wait} {work}".TrimEnd());
        _deferred += hangfire + quartz;
        await Eventually.SeesAsync(QueuedAsync, queued => queued == queuedBefore + hangfire + quartz + wait);
        await Eventually.SeesAsync(() => Count("event 1101"), count => count == _deferred);
        await Eventually.SeesAsync(() => ScheduledAsync(deployment), scheduled => scheduled == scheduledBefore + hangfire);
    }

    /// <summary>Waits until this many executions have entered.</summary>
    public Task EnteredAsync(int count) => Eventually.SeesAsync(JournalAsync, journal => journal.Count(e => e.Enters) == count, TimeSpan.FromSeconds(60));

    /// <summary>Waits until this many have left.</summary>
    public Task LeftAsync(int count) => Eventually.SeesAsync(JournalAsync, journal => journal.Count(e => !e.Enters) == count, TimeSpan.FromSeconds(60));

    /// <summary>What the executions recorded, in the order in which the records reached Redis.</summary>
    public async Task<Entry[]> JournalAsync() => [.. (await Jobs.ListRangeAsync("journal")).Select(line => Entry.Parse(line.ToString()))];

    public Task<long> QueuedAsync() => Locks.SortedSetLengthAsync("{task_lock:queue}:queue");

    /// <summary>The ids of the waiters, oldest first.</summary>
    public async Task<string[]> QueueAsync() => [.. (await Locks.SortedSetRangeByRankAsync("{task_lock:queue}:queue")).Select(id => id.ToString())];

    /// <summary>How many messages the locks have published.</summary>
    public async Task<int> PublishedAsync()
    {
        string stats = (await Locks.ExecuteAsync("INFO", "commandstats")).ToString();
        string? publish = stats.Split('\n').FirstOrDefault(line => line.StartsWith("cmdstat_publish:calls=", StringComparison.Ordinal));
        return publish is null ? 0 : int.Parse(publish.Split('=', ',')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>How many processes have subscribed to notifications.</summary>
    public async Task<int> ListenersAsync() => ((RedisResult[])(await Locks.ExecuteAsync("PUBSUB", "CHANNELS", "task_lock:process:*"))!).Length;

    public int Count(string fact) => _workers.Sum(w => w.Process.Count(fact));

    /// <summary>The token with which each execution ran, by its waiter id.</summary>
    public Dictionary<long, string> WaiterIds() => Facts.Select(f => f.Split(' '))
        .Where(f => f is ["acquire", _, "Granted", _])
        .ToDictionary(f => long.Parse(f[3], CultureInfo.InvariantCulture), f => f[1]);

    /// <summary>Nothing is left to run, and this many ran, one after the other and none twice.</summary>
    /// <param name="count">How many left.</param>
    /// <param name="killed">How many entered and were killed.</param>
    public async Task RanOneByOneAsync(int count, int killed = 0)
    {
        await LeftAsync(count);
        await EndAsync();
        Entry[] journal = await JournalAsync();
        Entry[] entered = [.. journal.Where(e => e.Enters)];
        Assert.Equal(count + killed, entered.Length);
        Assert.All(entered.Zip(entered.Skip(1)), pair => Assert.True(pair.First.Token < pair.Second.Token, $"{pair.First} before {pair.Second}"));
        Assert.Equal(entered.Skip(killed).SelectMany(e => (Entry[])[e, e with { Enters = false }]), journal.Skip(killed));
        Assert.Equal(count, (int)await Jobs.StringGetAsync("counter"));
    }

    /// <summary>Stops all living processes, which let running executions end, and checks that nothing is left to run.</summary>
    public async Task EndAsync()
    {
        Assert.Equal(0, await QueuedAsync());
        WorkerProcess[] living = [.. _workers.Select(w => w.Process).Where(w => !w.WasKilled)];
        Array.ForEach(living, w => w.Tell("stop"));
        Assert.All(await Task.WhenAll(living.Select(w => w.EndsAsync())), code => Assert.Equal(0, code));
        foreach (string deployment in _workers.Where(w => !w.Process.WasKilled).Select(w => w.Deployment).Distinct())
        {
            Assert.Equal(0, await ScheduledAsync(deployment));
            Assert.Equal(0, await Jobs.ListLengthAsync($"{deployment}:queue:default"));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_workers.Select(w => w.Process.DisposeAsync().AsTask()));
        await _lockConnection.DisposeAsync();
        await _jobConnection.DisposeAsync();
        await _locks.DisposeAsync();
        await _jobs.DisposeAsync();
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(RedisServer redis)
    {
        ConfigurationOptions configuration = ConfigurationOptions.Parse(redis.ConnectionString);
        configuration.AllowAdmin = true;
        return await ConnectionMultiplexer.ConnectAsync(configuration);
    }

    private Task<long> ScheduledAsync(string deployment) => Jobs.SortedSetLengthAsync($"{deployment}:schedule");

    /// <summary>An execution has entered or left, with the limit of its process and the fencing token of its lease.</summary>
    internal sealed record Entry(bool Enters, int Limit, long Token)
    {
        public static Entry Parse(string line) =>
            line.Split(' ') is [var what, var limit, var token]
                ? new Entry(what == "enter", int.Parse(limit, CultureInfo.InvariantCulture), long.Parse(token, CultureInfo.InvariantCulture))
                : throw new FormatException(line);
    }
}
