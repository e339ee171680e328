using System.Diagnostics;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A cluster with one unavailable member: the locks of the other members can be acquired.</summary>
public sealed class ClusterOutageTests
{
    private static readonly string[] Cluster =
        ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "3000", "--repl-diskless-sync-delay", "0"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Locks_of_a_frozen_primary_are_unavailable_at_once_and_those_of_another_can_be_acquired()
    {
        await using RedisServer well = await RedisServer.StartAsync(Cluster);
        await using RedisServer frozen = await RedisServer.StartAsync(Cluster);
        await using ServiceProvider services = await JoinAsync(well, frozen);
        ITaskLocks locks = services.GetRequiredService<ITaskLocks>();
        (string[] onWell, string[] onFrozen) = await NamesAsync(well, locks);

        frozen.Pause();
        TimeSpan first = await UnavailableAsync(locks, onFrozen[0]);
        TimeSpan next = await UnavailableAsync(locks, onFrozen[1]);
        Assert.NotNull(await locks.TryAcquireAsync(onWell[0], cancellationToken: Cancellation));
        Assert.True(next < first / 4, $"the first was told after {first}, the next after {next}");

        frozen.Resume();
        await AvailableAsync(locks, onFrozen[1]);
    }

    [Fact]
    public async Task Locks_of_a_dead_primary_can_be_acquired_again_when_a_replica_has_replaced_it()
    {
        await using RedisServer well = await RedisServer.StartAsync(Cluster);
        await using RedisServer dies = await RedisServer.StartAsync(Cluster);
        await using RedisServer replica = await RedisServer.StartAsync(Cluster);
        await using ServiceProvider services = await JoinAsync(well, dies, replica);
        ITaskLocks locks = services.GetRequiredService<ITaskLocks>();
        (string[] onWell, string[] onDead) = await NamesAsync(well, locks);

        await dies.KillAsync();
        await UnavailableAsync(locks, onDead[0]);
        TimeSpan next = await UnavailableAsync(locks, onDead[1]);
        Assert.NotNull(await locks.TryAcquireAsync(onWell[0], cancellationToken: Cancellation));
        Assert.True(next < TimeSpan.FromSeconds(1), $"told after {next}");

        await using ConnectionMultiplexer operators = await ConnectionMultiplexer.ConnectAsync($"{replica.ConnectionString},allowAdmin=true");
        await operators.GetServer(replica.Endpoint).ExecuteAsync("CLUSTER", "FAILOVER", "TAKEOVER");
        await AvailableAsync(locks, onDead[1]);
    }

    [Fact]
    public async Task Locks_of_a_member_that_is_reached_under_another_address_than_it_announces_can_be_acquired()
    {
        // As behind a NAT: no server listens at the address that the member announces.
        await using RedisServer member = await RedisServer.StartAsync("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.2");
        await using ConnectionMultiplexer operators = await ConnectionMultiplexer.ConnectAsync($"{member.ConnectionString},allowAdmin=true");
        await operators.GetServer(member.Endpoint).ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", 0, 16383);
        await Eventually.SeesAsync(
            async () => (string)(await operators.GetServer(member.Endpoint).ExecuteAsync("CLUSTER", "INFO"))!,
            info => info.Contains("cluster_state:ok", StringComparison.Ordinal));
        ServiceCollection registered = new();
        registered.AddJobLocking().UseRedis(member.ConnectionString);
        await using ServiceProvider services = registered.BuildServiceProvider();
        ITaskLocks locks = services.GetRequiredService<ITaskLocks>();
        for (int i = 0; i < 5; i++)
        {
            await (await locks.AcquireAsync($"lock:{i}", cancellationToken: Cancellation)).DisposeAsync();
        }

        await foreach (HeldLock held in locks.ListAsync(cancellationToken: Cancellation))
        {
            Assert.Fail($"{held.Name} is still held.");
        }
    }

    private static async Task<TimeSpan> UnavailableAsync(ITaskLocks locks, string name)
    {
        long began = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await locks.TryAcquireAsync(name, cancellationToken: Cancellation));
        return Stopwatch.GetElapsedTime(began);
    }

    private static Task AvailableAsync(ITaskLocks locks, string name) => Eventually.IsTrueAsync(async () =>
    {
        await using TaskLease? lease = await locks.TryAcquireAsync(name, cancellationToken: Cancellation);
        return lease is not null;
    });

    /// <summary>Names of locks on the first member, and on the others. Each can be acquired.</summary>
    private static async Task<(string[] OnFirst, string[] OnOthers)> NamesAsync(RedisServer first, ITaskLocks locks)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(first.ConnectionString);
        string[] names = [.. Enumerable.Range(0, 50).Select(i => $"lock:{i}")];
        foreach (string name in names)
        {
            await AvailableAsync(locks, name);
        }

        return ([.. names.Where(IsOnFirst)], [.. names.Where(name => !IsOnFirst(name))]);

        bool IsOnFirst(string name) => connection.HashSlot($"task_lock:{name}") < 8192;
    }

    /// <summary>Two primaries with half of the slots each, a replica of the second if there are three.</summary>
    private static async Task<ServiceProvider> JoinAsync(params RedisServer[] members)
    {
        await using (ConnectionMultiplexer operators = await ConnectionMultiplexer.ConnectAsync($"{string.Join(',', members.Select(m => m.Endpoint))},allowAdmin=true"))
        {
            await On(0, "ADDSLOTSRANGE", 0, 8191);
            await On(1, "ADDSLOTSRANGE", 8192, 16383);
            for (int i = 1; i < members.Length; i++)
            {
                await On(i, "MEET", "127.0.0.1", members[0].Port);
            }

            await Eventually.IsTrueAsync(async () => await KnownAsync("cluster_state:ok") && await KnownAsync($"cluster_known_nodes:{members.Length}"));
            if (members.Length > 2)
            {
                string primary = (string)(await On(1, "MYID"))!;
                await Eventually.IsTrueAsync(async () => (string?)await On(2, "REPLICATE", primary) == "OK");
                await Eventually.IsTrueAsync(async () => ((string?)await operators.GetServer(members[2].Endpoint).ExecuteAsync("INFO", "replication"))!.Contains("master_link_status:up", StringComparison.Ordinal));
                await Eventually.IsTrueAsync(async () => ((string?)await On(0, "NODES"))!.Contains("slave", StringComparison.Ordinal));
            }

            Task<RedisResult> On(int member, params object[] command) => operators.GetServer(members[member].Endpoint).ExecuteAsync("CLUSTER", command);

            async Task<bool> KnownAsync(string what) =>
                (await Task.WhenAll(members.Select((_, i) => On(i, "INFO")))).All(info => ((string?)info)!.Contains(what, StringComparison.Ordinal));
        }

        return new ServiceCollection().AddJobLocking().UseRedis($"{string.Join(',', members.Select(m => m.Endpoint))},asyncTimeout=1000").Services.BuildServiceProvider();
    }
}
