using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>A cluster of two primaries, one of which stops answering.</summary>
public sealed class FrozenPrimaryTests
{
    internal static readonly string[] Cluster =
        ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "60000"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_primary_that_does_not_answer_costs_no_lease_on_another()
    {
        await using RedisServer well = await RedisServer.StartAsync(Cluster);
        await using RedisServer frozen = await RedisServer.StartAsync(Cluster);
        await JoinAsync(well, frozen);
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{well.Endpoint},{frozen.Endpoint},asyncTimeout=60000");
        await using RedisLockStore store = new(new RedisLockOptions { ConnectionMultiplexerFactory = () => Task.FromResult<IConnectionMultiplexer>(connection) }, TimeProvider.System);
        AcquireRequest[] leases = [.. Enumerable.Range(0, 20).Select(i => LockRequests.Acquire($"lease:{i}"))];
        await Task.WhenAll(leases.Select(lease => store.AcquireAsync(lease, Cancellation).AsTask()));

        frozen.Pause();
        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        Task renewal = store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease, TimeSpan.FromSeconds(2))).ToArray(), outcomes, Cancellation).AsTask();
        RenewOutcome[] expected = [.. leases.Select(lease => IsOnFirst(lease) ? RenewOutcome.Renewed : RenewOutcome.Transient)];
        Assert.Equal(2, expected.Distinct().Count());
        await Eventually.IsTrueAsync(() => outcomes.SequenceEqual(expected));
        Assert.False(renewal.IsCompleted);

        frozen.Resume();
        await renewal.WaitAsync(Eventually.DefaultTimeout, Cancellation);
        Assert.All(outcomes, outcome => Assert.Equal(RenewOutcome.Renewed, outcome));

        bool IsOnFirst(AcquireRequest lease) => connection.HashSlot($"task_lock:{lease.Name}") < 8192;
    }

    internal static async Task JoinAsync(RedisServer first, RedisServer second)
    {
        await using ConnectionMultiplexer ofFirst = await ConnectionMultiplexer.ConnectAsync($"{first.ConnectionString},allowAdmin=true");
        await using ConnectionMultiplexer ofSecond = await ConnectionMultiplexer.ConnectAsync($"{second.ConnectionString},allowAdmin=true");
        IServer one = ofFirst.GetServer(first.Endpoint);
        IServer two = ofSecond.GetServer(second.Endpoint);
        await one.ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", 0, 8191);
        await two.ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", 8192, 16383);
        await two.ExecuteAsync("CLUSTER", "SET-CONFIG-EPOCH", 2);
        await one.ExecuteAsync("CLUSTER", "MEET", "127.0.0.1", second.Port);
        foreach (IServer node in new[] { one, two })
        {
            await Eventually.SeesAsync(
                async () => (string)(await node.ExecuteAsync("CLUSTER", "INFO"))!,
                info => info.Contains("cluster_state:ok", StringComparison.Ordinal) && info.Contains("cluster_slots_ok:16384", StringComparison.Ordinal));
        }
    }
}
