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
/// Worker processes, each behind a proxy of its own, the Redis of their locks, and another that no fault reaches, for what the locks
/// protect. Every fault is made here, so that the history has it next to what the workers report.
/// </summary>
internal sealed class Lab : IAsyncDisposable
{
    /// <summary>The target of a fault of the server, instead of the name of a process.</summary>
    public const string Server = "redis";

    /// <summary>Replies arrive within a millisecond here: one that takes longer counts as lost.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly string Impatient = string.Create(
        CultureInfo.InvariantCulture,
        $"asyncTimeout={Patience.TotalMilliseconds},syncTimeout={Patience.TotalMilliseconds},connectTimeout={Patience.TotalMilliseconds},abortConnect=false,connectRetry=1");

    private readonly ConcurrentQueue<HistoryEvent> _faults = new();
    private readonly SentinelFleet? _fleet;
    private readonly RedisServer _resource;
    private readonly ConnectionMultiplexer _resourceConnection;
    private readonly List<Worker> _workers = [];
    private readonly ConcurrentDictionary<string, LockTerms> _locks = new(StringComparer.Ordinal);

    private RedisServer _redis;

    private Lab(RedisServer redis, SentinelFleet? fleet, RedisServer resource, ConnectionMultiplexer resourceConnection) =>
        (_redis, _fleet, _resource, _resourceConnection) = (redis, fleet, resource, resourceConnection);

    /// <summary>The expiry of all leases in the lab, where a test needs no other.</summary>
    public static readonly TimeSpan Expiry = TimeSpan.FromSeconds(2);

    /// <summary>
    /// One expiry, one safety poll, and a margin for a busy machine: no execution may have to wait for longer once a fault is over.
    /// </summary>
    public static readonly TimeSpan Liveness = Expiry + TimeSpan.FromSeconds(5.1) + TimeSpan.FromSeconds(3);

    /// <summary>During one of these faults, no answer arrives.</summary>
    private static readonly HashSet<string> Silences =
        [Fault.Frozen, "black-hole", "no-replies", "refused", "half-open", "requests-lost", "replies-lost", "replies-held"];

    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>The server of what the locks protect: no fault reaches it.</summary>
    public RedisServer Resource => _resource;

    /// <summary>The server of the locks; of a fleet, the primary.</summary>
    public RedisServer Redis => _fleet?.Primary ?? _redis;

    /// <summary>To the server that no fault reaches.</summary>
    public IConnectionMultiplexer ResourceConnection => _resourceConnection;

    public IReadOnlyList<Worker> Workers => _workers;

    /// <summary>What all processes have reported, in the order in which it happened.</summary>
    public IReadOnlyList<HistoryEvent> History =>
        [.. _workers.SelectMany(w => w.Process.Facts).Select(HistoryEvent.Parse).OfType<HistoryEvent>().Concat(_faults).OrderBy(e => e.At)];

    /// <param name="arguments">For the server of the locks.</param>
    public static async Task<Lab> StartAsync(params string[] arguments) => await StartAsync(await RedisServer.StartAsync(arguments));

    /// <param name="redis">The server of the locks, which ends with the lab.</param>
    public static Task<Lab> StartAsync(RedisServer redis) => StartAsync(redis, fleet: null);

    /// <param name="fleet">The servers of the locks, which end with the lab. No proxy stands before them.</param>
    public static Task<Lab> StartAsync(SentinelFleet fleet) => StartAsync(fleet.Primary, fleet);

    private static async Task<Lab> StartAsync(RedisServer redis, SentinelFleet? fleet)
    {
        RedisServer resource = await RedisServer.StartAsync();
        return new Lab(redis, fleet, resource, await ConnectionMultiplexer.ConnectAsync($"{resource.ConnectionString},asyncTimeout=60000"));
    }

    /// <summary>Starts a worker behind a proxy of its own.</summary>
    /// <param name="name">Of the process, and of the node.</param>
    /// <param name="options">Further options for the connection of its locks, for example <c>user=x,password=y</c>.</param>
    /// <param name="isSpared">Whether the nemesis must not kill it.</param>
    /// <param name="mode">The kind of worker: see the program of the worker.</param>
    /// <param name="more">Further arguments of that kind.</param>
    public async Task<Worker> WorkAsync(string name, string options = "", bool isSpared = false, string mode = "chaos", params string[] more)
    {
        FaultProxy proxy = FaultProxy.Start(Redis.Port);
        WorkerProcess process = await WorkerProcess.StartAsync([mode, string.Join(',', _fleet?.ConnectionString ?? proxy.Endpoint, Impatient, options).TrimEnd(','), _resource.ConnectionString, name, .. more]);
        Worker worker = new(this, name, process, proxy) { IsSpared = isSpared };
        lock (_workers)
        {
            _workers.Add(worker);
        }

        return worker;
    }

    /// <summary>Starts a worker whose jobs, of one scheduler, need lock x: see <see cref="JobWorker"/>.</summary>
    public Task<Worker> EmployAsync(string name, string scheduler, TimeSpan expiry, TimeSpan deferBy, TimeSpan patience) => WorkAsync(
        name, mode: "job", more: [scheduler, .. new[] { expiry, deferBy, patience }.Select(time => time.TotalSeconds.ToString(CultureInfo.InvariantCulture))]);

    public Task<Worker[]> WorkAsync(int count) => Task.WhenAll(Enumerable.Range(1, count).Select(i => WorkAsync($"worker-{i}")));

    /// <summary>A client of the server of the locks, for faults that are commands, and for what only the server knows.</summary>
    public Task<RedisResult> CommandAsync(string command, params object[] arguments) =>
        _fleet?.CommandAsync(Redis, command, arguments) ?? CommandAsync(Redis, command, arguments);

    public static async Task<RedisResult> CommandAsync(RedisServer server, string command, params object[] arguments)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},allowAdmin=true");
        return await connection.GetDatabase().ExecuteAsync(command, arguments);
    }

    /// <summary>Waits until this many executions wait for a lock in its queue.</summary>
    public Task IsQueuedAsync(string @lock, int count) => Eventually.SeesAsync(
        async () => (long)await CommandAsync("ZCARD", $"{{task_lock:{@lock}}}:queue"), queued => queued == count);

    /// <summary>Waits until this many Hangfire jobs are stored to be run later.</summary>
    public Task AreScheduledAsync(int count) => Eventually.SeesAsync(
        () => _resourceConnection.GetDatabase().SortedSetLengthAsync($"{JobWorker.Storage}schedule"), scheduled => scheduled == count);

    /// <summary>Every lock has the same terms wherever it is requested.</summary>
    public void Uses(string @lock, TimeSpan expiry, int limit) => _locks[@lock] = new LockTerms(limit, expiry);

    public void Began(string fault, string target = Server, string @lock = "") => _faults.Enqueue(HistoryEvent.Now(target, HistoryEventKind.FaultBegan, @lock: @lock, detail: fault));

    public void Ended(string fault, string target = Server, string @lock = "") => _faults.Enqueue(HistoryEvent.Now(target, HistoryEventKind.FaultEnded, @lock: @lock, detail: fault));

    /// <summary>
    /// Records that the data of the locks is gone. Call it before the data is erased: the exact moment cannot be known later.
    /// </summary>
    /// <param name="lock">Empty for all locks.</param>
    /// <param name="perhaps">Some locks may have survived.</param>
    public void Erased(string @lock = "", bool perhaps = false) =>
        _faults.Enqueue(HistoryEvent.Now(Server, HistoryEventKind.Erased, @lock: @lock, detail: perhaps ? "perhaps" : ""));

    /// <summary>Kills the server of the locks and replaces it by its replica, promoted, which belongs to the lab from then on.</summary>
    public async Task FailOverAsync(RedisServer replica)
    {
        await Redis.DisposeAsync();
        _redis = replica;
        await CommandAsync("REPLICAOF", "NO", "ONE");
        _workers.ForEach(w => w.Link.Retarget(replica.Port));
    }

    /// <summary>As documented: in a name given by hand, percent signs and braces are escaped.</summary>
    public static string KeyOf(string @lock) =>
        "task_lock:" + @lock.Replace("%", "%25", StringComparison.Ordinal).Replace("{", "%7B", StringComparison.Ordinal).Replace("}", "%7D", StringComparison.Ordinal);

    /// <summary>The value of the counter that only the lock protects.</summary>
    public async Task<long> PlainCountAsync(string @lock) => (long)await _resourceConnection.GetDatabase().StringGetAsync(ProtectedCounters.PlainKey(@lock));

    /// <summary>Waits until this many events of a kind have been reported after a given moment.</summary>
    public Task<IReadOnlyList<HistoryEvent>> SeesAsync(HistoryEventKind what, string process = "", string @lock = "", int count = 1, long since = 0) => SeesAsync<IReadOnlyList<HistoryEvent>>(
        () => [.. History.Where(e => e.What == what && e.At >= since && (process.Length == 0 || e.Process == process) && (@lock.Length == 0 || e.Lock == @lock))],
        seen => seen.Count >= count,
        $"{count} times {what} {process}");

    /// <summary>Waits until a holder has learned that its lease is lost, in whichever way it learned it first.</summary>
    public Task<HistoryEvent> LosesAsync(string process, string @lock) => SeesAsync(
        () => History.First(e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned && e.Process == process && e.Lock == @lock),
        _ => true,
        $"{process} loses {@lock}");

    /// <summary>
    /// Reports, until it is cancelled, each time at which the machine itself was too busy: a server that no fault reaches took half as long
    /// to answer as the workers wait.
    /// </summary>
    public async Task WitnessStarvationAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            long since = Now;
            await Task.Delay(TimeSpan.FromMilliseconds(50), CancellationToken.None);
            await _resourceConnection.GetDatabase().PingAsync();
            long now = Now;
            if (Stopwatch.GetElapsedTime(since, now) > Patience / 2)
            {
                _faults.Enqueue(new HistoryEvent(now, Server, HistoryEventKind.Starved, Detail: (now - since).ToString(CultureInfo.InvariantCulture)));
            }
        }
    }

    /// <summary>
    /// Faults are over: the load goes on for as long as every execution may need to make progress. Returns what it reported meanwhile.
    /// </summary>
    public async Task<IReadOnlyList<HistoryEvent>> HealedAsync()
    {
        HistoryEvent healed = HistoryEvent.Now(Server, HistoryEventKind.Healed);
        _faults.Enqueue(healed);
        await Task.Delay(Liveness);
        return [.. History.Where(e => e.At >= healed.At)];
    }

    /// <summary>
    /// Waits until all living workers are at rest, and checks that no lock is left and that the checker finds no violation in the history.
    /// </summary>
    public async Task<IReadOnlyList<HistoryEvent>> JudgeAsync(bool tokensMayGoBack = false)
    {
        (IReadOnlyList<HistoryEvent> history, Terms terms) = await EndAsync();
        Assert.Contains(history, e => e.What == HistoryEventKind.Granted);
        IReadOnlyList<Violation> violations = Checker.Check(history, terms with { TokensMayGoBack = tokensMayGoBack });
        if (violations.Count > 0)
        {
            Assert.Fail($"{string.Join(Environment.NewLine, violations.Take(10))}\nThe history: {await KeepAsync(history)}");
        }

        return history;
    }

    /// <summary>Waits until all living workers are at rest: what they have reported by then is a complete history.</summary>
    public async Task<(IReadOnlyList<HistoryEvent> History, Terms Terms)> EndAsync()
    {
        await Task.WhenAll(_workers.Where(w => !w.Process.WasKilled).Select(w => w.RestAsync()));
        Dictionary<string, LockTerms> locks = await FinalAsync();
        return (History, new Terms(locks, Liveness) { Silences = Silences });
    }

    /// <summary>Begins a new history with the living workers, after the end of the last one.</summary>
    public async Task BeginAnewAsync()
    {
        foreach (Worker dead in _workers.Where(w => w.Process.WasKilled).ToList())
        {
            _workers.Remove(dead);
            await dead.DisposeAsync();
        }

        _workers.ForEach(w => w.Process.Forget());
        _faults.Clear();
        foreach (string name in _locks.Keys)
        {
            await _resourceConnection.GetDatabase().HashSetAsync(ProtectedCounters.FencedKey(name), "count", 0);
        }
    }

    /// <summary>
    /// Saves a history with violations, and next to it, with <c>.facts</c>, everything else that the workers reported, and which channels
    /// have subscribers: a process without a subscription receives no wake-up.
    /// </summary>
    public async Task<string> KeepAsync(IReadOnlyList<HistoryEvent> history)
    {
        string file = Path.Combine(Path.GetTempPath(), $"joblocking-history-{Guid.NewGuid():N}.tsv");
        await File.WriteAllLinesAsync(file, history.Select(e => e.ToString()));
        await File.WriteAllLinesAsync(
            $"{file}.facts",
            [.. _workers.SelectMany(w => w.Process.Facts.Where(fact => HistoryEvent.Parse(fact) is null).Select(fact => $"{w.Name}\t{fact}")), .. await ListenersAsync()]);
        return file;
    }

    /// <summary>Reads the history until it is as expected; saves it if it never is.</summary>
    private async Task<T> SeesAsync<T>(Func<T> read, Func<T, bool> expected, string fact)
    {
        try
        {
            return await Eventually.SeesAsync(read, expected, TimeSpan.FromSeconds(60), fact);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} The history: {await KeepAsync(History)}", e);
        }
    }

    /// <summary>The channels of the processes, and all connections, as the server of the locks sees them.</summary>
    private async Task<IEnumerable<string>> ListenersAsync()
    {
        try
        {
            string[] channels = (string[])(await CommandAsync("PUBSUB", "CHANNELS"))!;
            return [.. channels.Select(channel => $"{Server}\tlistened to: {channel}"), $"{Server}\t{await CommandAsync("CLIENT", "LIST")}"];
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            return [$"{Server}\t{e.Message}"];
        }
    }

    /// <summary>When all load has ended, only the leases of dead processes are left; they end with their expiry.</summary>
    private async Task<Dictionary<string, LockTerms>> FinalAsync()
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(
            _fleet?.ConnectionTo(Redis) ?? $"{Redis.ConnectionString},abortConnect=false");
        IDatabase database = connection.GetDatabase();
        IDatabase resource = _resourceConnection.GetDatabase();
        long rested = Now;
        Dictionary<string, LockTerms> final = [];
        foreach ((string name, LockTerms terms) in _locks)
        {
            string key = KeyOf(name);
            while (await database.KeyExistsAsync(key))
            {
                if (Stopwatch.GetElapsedTime(rested) > terms.Expiry)
                {
                    _faults.Enqueue(HistoryEvent.Now(Server, HistoryEventKind.Orphan, @lock: name, detail: $"{await database.KeyTypeAsync(key)}, {await database.KeyTimeToLiveAsync(key)} left"));
                    break;
                }

                await Task.Delay(20);
            }

            // A killed process may have added one without reporting it.
            bool killed = _workers.Any(w => w.Process.WasKilled);
            final[name] = terms with { Count = killed || terms.Limit > 1 ? null : (long)await resource.HashGetAsync(ProtectedCounters.FencedKey(name), "count") };
        }

        return final;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Worker worker in _workers)
        {
            await worker.DisposeAsync();
        }

        await _resourceConnection.DisposeAsync();
        await (_fleet?.DisposeAsync() ?? _redis.DisposeAsync());
        await _resource.DisposeAsync();
    }
}
