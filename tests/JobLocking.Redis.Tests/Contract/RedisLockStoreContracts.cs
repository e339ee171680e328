using System.Reflection;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using StackExchange.Redis;
using Xunit;

[assembly: AssemblyFixture(typeof(JobLocking.Redis.Tests.Contract.SharedServers))]

namespace JobLocking.Redis.Tests.Contract;

/// <summary>Servers for tests that do nothing to them except take their own locks.</summary>
public sealed class SharedServers : IAsyncLifetime
{
    public RedisServer Redis { get; private set; } = null!;

    public RedisServer Cluster { get; private set; } = null!;

    public EmbeddedServer Embedded { get; private set; } = null!;

    public SentinelFleet Fleet { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Redis = await RedisServer.StartAsync();
        Embedded = await EmbeddedServer.StartAsync();
        Fleet = await SentinelFleet.StartAsync(arguments: ["--min-replicas-to-write", "1"]);
        foreach (RedisServer sentinel in Fleet.Sentinels)
        {
            // Longer than min-replicas-max-lag: otherwise the check warns. No test needs a failover.
            await Fleet.AskAsync(sentinel, "SET", SentinelFleet.Service, "down-after-milliseconds", "30000");
        }


        // A single node that serves every slot refuses a script whose keys are of several slots, as any cluster does.
        Cluster = await RedisServer.StartAsync("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1");
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{Cluster.ConnectionString},allowAdmin=true");
        await connection.GetServer(Cluster.Endpoint).ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
        await Eventually.SeesAsync(
            async () => (string)(await connection.GetServer(Cluster.Endpoint).ExecuteAsync("CLUSTER", "INFO"))!,
            info => info.Contains("cluster_state:ok", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await Redis.DisposeAsync();
        await Embedded.DisposeAsync();
        await Cluster.DisposeAsync();
        await Fleet.DisposeAsync();
    }
}

public abstract class RedisLockStoreContract(string connectionString) : LockStoreContract
{
    protected override ILockStore CreateStore() => new RedisLockStore(new RedisLockOptions { Configuration = connectionString }, TimeProvider.System);

    protected override Task PassAsync(TimeSpan time) => Task.Delay(time, Cancellation);
}

[StoreUnderTest(typeof(RedisLockStore))]
public sealed class RedisLockStoreContractOnRedis(SharedServers servers) : RedisLockStoreContract(servers.Redis.ConnectionString);

[StoreUnderTest(typeof(RedisLockStore))]
public sealed class RedisLockStoreContractOnACluster(SharedServers servers) : RedisLockStoreContract(servers.Cluster.ConnectionString)
{
    protected override bool CountsListeners => false;
}

[StoreUnderTest(typeof(RedisLockStore))]
public sealed class RedisLockStoreContractThroughSentinel(SharedServers servers) : RedisLockStoreContract(servers.Fleet.ConnectionString);

[StoreUnderTest(typeof(RedisLockStore))]
public sealed class RedisLockStoreContractOnGarnet(SharedServers servers) : RedisLockStoreContract(servers.Embedded.ConnectionString);

public sealed class ContractCoverageTests
{
    [Fact]
    public void Every_store_of_the_package_has_a_contract_suite() =>
        ContractCoverage.EveryStoreHasItsSuite(typeof(RedisLockStore).Assembly, Assembly.GetExecutingAssembly());
}
