using System.Globalization;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Resources;

/// <summary>
/// What a day brings, at full speed, leaves nothing behind: neither in the process nor on the server. What is used is compared
/// when everything is at rest, after as much as it takes for every pool and table to have its size.
/// </summary>
public sealed class ResourcesTests : IAsyncLifetime
{
    /// <summary>One execution in each second.</summary>
    private const int Day = 86_400;

    private const int Kinds = 18;

    /// <summary>
    /// A place in the queue with all that hangs on it has been measured at 750 bytes. Less than this for each execution of a single
    /// kind is not to be told from what the pools and queues of the runtime grow and shrink by, which is more than a megabyte.
    /// </summary>
    private const int SmallestLeak = 600;

    private static readonly TimeSpan FenceLife = TimeSpan.FromHours(24.1);

    private static readonly TimeSpan Retention = TimeSpan.FromSeconds(60);

    private const int Hosts = 50;

    /// <summary>The runtime opens a few for its sockets when it first needs them.</summary>
    private const int HandlesOfTheRuntime = 4;

    /// <summary>A host with its connection and all that is in its container, in bytes.</summary>
    private const int SmallestHost = 20_000;

    private RedisServer _redis = null!;
    private ConnectionMultiplexer _connection = null!;
    private WorkerProcess _worker = null!;

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisServer.StartAsync();
        _connection = await ConnectionMultiplexer.ConnectAsync($"{_redis.ConnectionString},allowAdmin=true");
        _worker = await WorkerProcess.StartAsync("resources", $"{_redis.ConnectionString},asyncTimeout=30000");
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _connection.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task A_day_of_executions_leaves_nothing_behind()
    {
        await DoAsync($"run {Day / 10}", "ran");
        await DoAsync($"run {Day / 10}", "ran");
        Account before = await AccountAsync(expected: null);
        long served = await ServedAsync();
        await DoAsync($"run {Day}", "ran");

        // If a single kind of them left one thing each time, it would be more.
        await FlatAsync(before, Day / Kinds * SmallestLeak);
        await OnServerAsync(served);
    }

    [Fact]
    public async Task Hosts_that_were_started_and_stopped_leave_nothing_behind()
    {
        await DoAsync($"hosts {Hosts / 5}", "hosted");
        Account before = await AccountAsync(expected: null);
        long served = await ServedAsync();
        await DoAsync($"hosts {Hosts}", "hosted");
        await FlatAsync(before, Hosts * SmallestHost);
        await OnServerAsync(served);
    }

    private async Task<string> DoAsync(string command, string done)
    {
        int before = _worker.Count(done);
        _worker.Tell(command);
        await Eventually.SeesAsync(() => _worker.Count(done), count => count > before, TimeSpan.FromMinutes(5), $"{command}: {string.Join('\n', _worker.Facts)}");
        string said = _worker.Facts.Last(f => f.StartsWith(done, StringComparison.Ordinal));
        TestContext.Current.SendDiagnosticMessage(said);
        return said;
    }

    /// <summary>What the process uses when everything has come to rest: as many timers and handles as before, or as are expected.</summary>
    private async Task<Account> AccountAsync(Account? expected)
    {
        Account last = Account.Parse(await DoAsync("account", "account"));
        (_, Account now) = await Eventually.SeesAsync(
            async () =>
            {
                await Task.Delay(TimeSpan.FromSeconds(1));
                (Account before, last) = (last, Account.Parse(await DoAsync("account", "account")));
                return (Before: before, Now: last);
            },
            account => account.Now.Work == 0 && account.Now.Timers == (expected ?? account.Before).Timers && account.Now.Handles <= (expected is null ? account.Before.Handles : expected.Handles + HandlesOfTheRuntime),
            TimeSpan.FromSeconds(30));
        return now;
    }

    private async Task FlatAsync(Account before, long atMost)
    {
        Account after = await AccountAsync(before);
        Assert.True(after.Memory - before.Memory < atMost, string.Create(CultureInfo.InvariantCulture, $"{after.Memory - before.Memory} bytes more, at most {atMost}: {before} {after}"));
    }

    /// <summary>Connections and subscriptions, by the server's own account.</summary>
    private async Task<long> ServedAsync()
    {
        IServer server = _connection.GetServers()[0];
        long clients = (await server.ClientListAsync()).Length;
        RedisChannel[] channels = await server.SubscriptionChannelsAsync(RedisChannel.Pattern("task_lock:*"));
        Assert.Equal(2, channels.Length);
        foreach (RedisChannel channel in channels)
        {
            Assert.Equal(1, await server.SubscriptionSubscriberCountAsync(channel));
        }

        return clients;
    }

    /// <summary>Once all that was held and kept has ended nothing is left but fences and the marks of occurrences, and those go by themselves.</summary>
    private async Task OnServerAsync(long served)
    {
        Assert.Equal(served, await ServedAsync());
        IDatabase database = _connection.GetDatabase();
        List<RedisKey> left = await Eventually.SeesAsync(
            async () =>
            {
                List<RedisKey> keys = [];
                await foreach (RedisKey key in _connection.GetServers()[0].KeysAsync(pageSize: 1000))
                {
                    keys.Add(key);
                }

                return keys;
            },
            keys => keys.TrueForAll(key => IsFence(key) || IsMark(key)),
            TimeSpan.FromSeconds(30));
        Assert.NotEmpty(left);
        (RedisKey Key, RedisResult Life)[] lives = await Task.WhenAll(left.Select(async key => (key, await database.ExecuteAsync("PTTL", key))));
        Assert.All(lives, one => Assert.True((long)one.Life != -1 && (long)one.Life <= (IsMark(one.Key) ? Retention : FenceLife).TotalMilliseconds, $"{one.Key} lives for {one.Life}"));
    }

    private static bool IsFence(RedisKey key) => ((string)key!).EndsWith(":fence", StringComparison.Ordinal);

    private static bool IsMark(RedisKey key) => ((string)key!).Contains("}@", StringComparison.Ordinal);
}
