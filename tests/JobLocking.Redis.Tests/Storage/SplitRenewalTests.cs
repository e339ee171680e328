using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>
/// Leases that one script cannot renew together, though the client does not see why; and how much is sent to one server at once.
/// </summary>
public sealed class SplitRenewalTests
{
    private static readonly string[] Cluster = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Leases_that_a_hidden_cluster_keeps_apart_are_renewed_one_by_one_from_then_on(int limit)
    {
        await using RedisServer server = await RedisServer.StartAsync(Cluster);
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},allowAdmin=true");
        await admin.GetServers()[0].ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
        await Eventually.SeesAsync(
            async () => (string)(await admin.GetServers()[0].ExecuteAsync("CLUSTER", "INFO"))!, info => info.Contains("cluster_state:ok", StringComparison.Ordinal));

        // The commands that remain behind a proxy that hides its cluster.
        ConfigurationOptions behindProxy = ConfigurationOptions.Parse($"{server.ConnectionString},protocol=resp2");
        behindProxy.CommandMap = CommandMap.Create(["CLUSTER", "INFO", "CONFIG"], available: false);
        await using RedisLockStore store = new(new RedisLockOptions { ConfigurationOptions = behindProxy }, TimeProvider.System);
        AcquireRequest[] leases = await HeldAsync(store, 7, limit);

        Assert.All(await RenewedAsync(store, leases), outcome => Assert.Equal(RenewOutcome.Renewed, outcome));
        long refused = await RefusedAsync(admin);
#if CLIENT_ALWAYS_KNOWS_CLUSTER
        Assert.Equal(0, refused);
#else
        Assert.NotEqual(0, refused);
#endif
        Assert.All(await RenewedAsync(store, leases), outcome => Assert.Equal(RenewOutcome.Renewed, outcome));
        Assert.Equal(refused, await RefusedAsync(admin));
    }

    [Fact]
    public async Task Leases_that_a_sharding_proxy_sends_elsewhere_are_not_missing_and_are_renewed_one_by_one_from_then_on()
    {
        await using RedisServer first = await RedisServer.StartAsync();
        await using RedisServer second = await RedisServer.StartAsync();
        await using ShardingProxy proxy = ShardingProxy.Start(first, second);
        await using RedisLockStore store = new(new RedisLockOptions { Configuration = proxy.ConnectionString }, TimeProvider.System);
        AcquireRequest[] leases = await HeldAsync(store, 12, limit: 1);
        Assert.Equal(2, leases.Select(lease => proxy.ServerOf($"task_lock:{lease.Name}")).Distinct().Count());

        RenewOutcome[] expected = [.. Enumerable.Repeat(RenewOutcome.Renewed, 12), RenewOutcome.Missing];
        AcquireRequest[] asked = [.. leases, LockRequests.Acquire("gone")];
        Assert.Equal(expected, await RenewedAsync(store, asked));

        // The second time nothing has to be found out: each lease has a script of its own, and no more.
        await using ConnectionMultiplexer ofFirst = await ConnectionMultiplexer.ConnectAsync($"{first.ConnectionString},allowAdmin=true");
        await using ConnectionMultiplexer ofSecond = await ConnectionMultiplexer.ConnectAsync($"{second.ConnectionString},allowAdmin=true");
        long before = await ScriptsAsync(ofFirst) + await ScriptsAsync(ofSecond);
        Assert.Equal(expected, await RenewedAsync(store, asked));
        Assert.Equal(before + asked.Length, await ScriptsAsync(ofFirst) + await ScriptsAsync(ofSecond));
    }

    [Fact]
    public async Task No_more_than_four_scripts_of_a_renewal_are_on_their_way_to_a_server_at_once()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{server.ConnectionString},asyncTimeout=60000");
        await using RedisLockStore store = new(
            new RedisLockOptions { ConnectionMultiplexerFactory = () => Task.FromResult<IConnectionMultiplexer>(connection) }, TimeProvider.System);
        AcquireRequest[] leases = await HeldAsync(store, 1000, limit: 1);
        await RenewedAsync(store, leases[..1]);

        server.Pause();
        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        Task renewal = store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation).AsTask();
        long onTheirWay = await Eventually.SeesAsync(() => connection.GetCounters().Interactive.SentItemsAwaitingResponse, sent => sent >= 4);
        server.Resume();
        await renewal.WaitAsync(Eventually.DefaultTimeout, Cancellation);

        Assert.Equal(4, onTheirWay);
        Assert.All(outcomes, outcome => Assert.Equal(RenewOutcome.Renewed, outcome));
    }

    private static async Task<AcquireRequest[]> HeldAsync(RedisLockStore store, int count, int limit)
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, count).Select(i => LockRequests.Acquire($"lease:{i}") with { Limit = limit })];
        AcquireResult[] results = await Task.WhenAll(leases.Select(lease => store.AcquireAsync(lease, Cancellation).AsTask()));
        Assert.All(results, result => Assert.Equal(AcquireOutcome.Granted, result.Outcome));
        return leases;
    }

    private static async Task<RenewOutcome[]> RenewedAsync(RedisLockStore store, AcquireRequest[] leases)
    {
        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease) with { Limit = lease.Limit }).ToArray(), outcomes, Cancellation);
        return outcomes;
    }

    private static async Task<long> RefusedAsync(ConnectionMultiplexer admin) => await StatisticAsync(admin, "errorstats", "errorstat_CROSSSLOT", "count");

    private static async Task<long> ScriptsAsync(ConnectionMultiplexer admin) => await StatisticAsync(admin, "commandstats", "cmdstat_evalsha", "calls");

    private static async Task<long> StatisticAsync(ConnectionMultiplexer admin, string section, string name, string what)
    {
        string? found = (await admin.GetServers()[0].InfoAsync(section)).SelectMany(group => group).FirstOrDefault(pair => pair.Key == name).Value;
        return found is null ? 0 : long.Parse(found.Split(',').Single(pair => pair.StartsWith($"{what}=", StringComparison.Ordinal)).Split('=')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
