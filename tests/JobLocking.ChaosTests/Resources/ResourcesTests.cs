using System.Globalization;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Resources;

/// <summary>
/// Work at full speed leaves nothing behind, neither in the process nor on the server. It is done in equal parts, with a measurement after
/// each, when everything is at rest. A leak grows with the work, by the same amount in each part; what the runtime keeps for itself comes and
/// goes, and a table that becomes too small grows once.
/// </summary>
public sealed class ResourcesTests : IAsyncLifetime
{
    private const int Parts = 6;

    /// <summary>
    /// The heap of a busy machine differs by hundreds of kilobytes from one moment to the next. That evens out over more parts; a leak does
    /// not.
    /// </summary>
    private const int MostParts = 3 * Parts;

    /// <summary>A part of one execution in each second of a day.</summary>
    private const int ExecutionsOfDay = 86_400 / Parts;

    private const int Kinds = 18;

    /// <summary>
    /// What a day would leave behind in each part. No object is smaller than 24 bytes, and what refers to it (the node of a table, a
    /// registration, a timer) has at least 40.
    /// </summary>
    private const int SmallestLeak = ExecutionsOfDay / Kinds * 64;

    private const int Hosts = 48;

    /// <summary>
    /// Half of the handles or timers that a part would leave behind for half of its hosts: the runtime opens a few for its sockets when it
    /// first needs them.
    /// </summary>
    private const int FewestLeft = Hosts / 4;

    /// <summary>
    /// The subscription of a host, with its queue and its leases, is twice as much; half of the hosts share a connection that could keep
    /// it.
    /// </summary>
    private const int SmallestHost = 2000;

    /// <summary>The short form is an eighth of a day, so it finds only leaks that are eight times as large.</summary>
    private static readonly int Executions = LongForm.IsOrdered ? ExecutionsOfDay : ExecutionsOfDay / 8;

    private static readonly TimeSpan FenceLife = TimeSpan.FromHours(24.1);

    private static readonly TimeSpan Retention = TimeSpan.FromSeconds(60);

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
    [Trait(LongForm.Name, LongForm.Value)]
    public Task Executions_leave_nothing_behind() => FlatAsync($"run {Executions}", "ran", SmallestLeak);

    [Fact]
    public Task Hosts_that_were_started_and_stopped_leave_nothing_behind() => FlatAsync($"hosts {Hosts}", "hosted", Hosts * SmallestHost);

    [Fact]
    public Task Schedulers_that_were_restarted_within_a_host_leave_nothing_behind() => FlatAsync($"restarts {Hosts}", "restarted", Hosts * SmallestHost);

    /// <param name="part">One part of the work.</param>
    /// <param name="done">The line that the worker writes after it.</param>
    /// <param name="leak">The smallest leak that a part could leave, in bytes.</param>
    private async Task FlatAsync(string part, string done, int leak)
    {
        // After this, code is compiled, and pools and tables have their size.
        await DoAsync(part, done);
        await DoAsync(part, done);
        List<ResourceUsage> measurements = [await UsageAsync()];
        long served = await ServedAsync();
        for (int i = 1; i <= Parts || (i <= MostParts && GrowthOfMemory() >= leak / 2.0); i++)
        {
            await DoAsync(part, done);
            measurements.Add(await UsageAsync());
        }

        string all = string.Join('\n', measurements);
        TestContext.Current.SendDiagnosticMessage(all);
        Assert.True(Growth(measurements, a => a.Handles) < FewestLeft, $"Handles are left behind: {all}");
        Assert.True(Growth(measurements, a => a.Timers) < FewestLeft, $"Timers are left behind: {all}");

        // Half of it: noise may go in either direction.
        double growth = GrowthOfMemory();
        Assert.True(growth < leak / 2.0, string.Create(CultureInfo.InvariantCulture, $"Memory grows by {growth} bytes with each part, at most {leak / 2}: {all}"));
        await OnServerAsync(served);

        // The last ones: what has grown once before them is no leak.
        double GrowthOfMemory() => Growth([.. measurements.TakeLast(Parts + 1)], a => a.Memory);
    }

    /// <summary>
    /// The growth with each part: the median over all pairs of measurements, which a single outlier does not affect (Theil and Sen).
    /// </summary>
    private static double Growth(List<ResourceUsage> measurements, Func<ResourceUsage, long> of)
    {
        double[] growths =
        [
            .. from first in Enumerable.Range(0, measurements.Count)
               from later in Enumerable.Range(first + 1, measurements.Count - first - 1)
               let growth = (of(measurements[later]) - of(measurements[first])) / (double)(later - first)
               orderby growth
               select growth,
        ];
        return growths[growths.Length / 2];
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

    /// <summary>
    /// What the process uses when everything has come to rest: when it has as many timers and handles as a moment before.
    /// </summary>
    private async Task<ResourceUsage> UsageAsync()
    {
        ResourceUsage last = ResourceUsage.Parse(await DoAsync("usage", "usage"));
        (_, ResourceUsage now) = await Eventually.SeesAsync(
            async () =>
            {
                await Task.Delay(TimeSpan.FromMilliseconds(300));
                (ResourceUsage before, last) = (last, ResourceUsage.Parse(await DoAsync("usage", "usage")));
                return (Before: before, Now: last);
            },
            account => account.Now.Work == 0 && account.Now.Timers == account.Before.Timers && account.Now.Handles == account.Before.Handles);
        return now;
    }

    /// <summary>Connections and subscriptions, as the server counts them.</summary>
    private async Task<long> ServedAsync()
    {
        IServer server = _connection.GetServers()[0];
        long clients = (await server.ClientListAsync()).Length;

        // The connection of a host may end a moment after the host.
        RedisChannel[] channels = await Eventually.SeesAsync(() => server.SubscriptionChannelsAsync(RedisChannel.Pattern("task_lock:*")), all => all.Length == 2);
        foreach (RedisChannel channel in channels)
        {
            Assert.Equal(1, await server.SubscriptionSubscriberCountAsync(channel));
        }

        return clients;
    }

    /// <summary>
    /// Once everything that was held and kept has ended, only fences and the marks of occurrences are left, and those expire by themselves.
    /// </summary>
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
