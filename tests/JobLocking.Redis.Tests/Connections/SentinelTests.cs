using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A store that is given sentinels, through their failovers.</summary>
public sealed class SentinelTests
{
    /// <summary>The selection has to be heard at least this long before the promotion, or a grant may go in between.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(20);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_planned_failover_loses_nothing_and_nothing_goes_to_the_old_primary_afterwards()
    {
        // With this setting the new primary refuses writes until the other replica has connected to it.
        await using SentinelFleet fleet = await SentinelFleet.StartAsync(arguments: ["--min-replicas-to-write", "1"]);
        await using RedisLockStore store = RedisStoreTests.CreateStore(fleet.ConnectionString);
        RedisServer old = fleet.Primary;
        AcquireRequest held = LockRequests.Acquire("held");
        long token = (await store.AcquireAsync(held, Cancellation)).FencingToken;
        await using Selection selection = await Selection.OfAsync(fleet);
        Load load = new(store);
        await load.IsGrantedAsync(20);

        RedisServer next = await fleet.FailOverAsync();
        await fleet.CommandAsync(old, "CONFIG", "RESETSTAT");
        await load.IsGrantedAsync(100);

        Assert.Equal(RenewOutcome.Renewed, await RenewAsync(store, held));
        Assert.Equal(ReleaseOutcome.Released, await store.ReleaseAsync(LockRequests.Release(held), Cancellation));
        Assert.True((await store.AcquireAsync(LockRequests.Acquire("held"), Cancellation)).FencingToken > token);
        await load.EndAsync();
        Assert.DoesNotContain("cmdstat_eval", (string)(await fleet.CommandAsync(old, "INFO", "commandstats"))!, StringComparison.Ordinal);
        Assert.DoesNotContain(load.Failures, failure => failure.Message.Contains("NOREPLICAS", StringComparison.Ordinal));
        string[] lost = await LostAsync(load, fleet, next);
        TimeSpan before = PromotedAt(next) - selection.HeardAt;
        Assert.True(lost.Length == 0 || before < Margin, $"{lost.Length} of {load.Granted.Count} grants are lost, although the selection was heard {before} before.");
    }

    [Fact]
    public async Task A_failover_is_followed_while_sentinels_are_dead_silent_or_restarted_and_a_check_names_the_service_without_any()
    {
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        await using SentinelFleet fleet = await SentinelFleet.StartAsync(sentinelPassword: "only-for-sentinels");
        await fleet.Sentinels[2].KillAsync();

        // Only one of the addresses leads to a sentinel that answers: the others are found through it.
        string[] given = [$"{silent.LocalEndpoint}", fleet.Sentinels[2].Endpoint, fleet.Sentinels[0].Endpoint];
        await using RedisLockStore store = RedisStoreTests.CreateStore(fleet.Through(given));
        await MovesAsync();

        foreach (RedisServer sentinel in fleet.Sentinels)
        {
            await sentinel.KillAsync();
        }

        await Eventually.SeesAsync(
            async () => await store.CheckAsync(Cancellation) ?? "",
            warning => warning.Contains($"No sentinel of service '{SentinelFleet.Service}' has answered for 5 s", StringComparison.Ordinal));
        await using RedisLockStore late = RedisStoreTests.CreateStore($"{fleet.ConnectionString},connectTimeout=500");
        LockStoreException failure = await Assert.ThrowsAsync<LockStoreException>(async () => await late.CheckAsync(Cancellation));
        Assert.Contains($"no sentinel has named the primary of service '{SentinelFleet.Service}'", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.MayHaveBeenApplied);

        foreach (RedisServer sentinel in fleet.Sentinels)
        {
            await sentinel.RestartAsync();
        }

        await Eventually.SeesAsync(async () => await late.AcquireAsync(LockRequests.Acquire("late"), Cancellation), granted => granted.FencingToken > 0);
        await MovesAsync();

        async Task MovesAsync()
        {
            AcquireRequest held = LockRequests.Acquire($"held:{Guid.NewGuid():N}");
            await store.AcquireAsync(held, Cancellation);
            RedisServer next = await fleet.FailOverAsync();
            await Eventually.SeesAsync(async () => await RenewAsync(store, held), outcome => outcome == RenewOutcome.Renewed);
            await Eventually.IsTrueAsync(async () => (bool)await fleet.CommandAsync(next, "EXISTS", $"task_lock:{held.Name}"));
            await store.ReleaseAsync(LockRequests.Release(held), Cancellation);
            Assert.False((bool)await fleet.CommandAsync(next, "EXISTS", $"task_lock:{held.Name}"));
        }
    }

    [Fact]
    public async Task A_service_that_the_sentinels_do_not_know_is_named()
    {
        await using RedisServer sentinel = await RedisServer.StartSentinelAsync("sentinel monitor locks 127.0.0.1 1 1");
        await using RedisLockStore store = RedisStoreTests.CreateStore($"{sentinel.Endpoint},serviceName=loks,connectTimeout=500");

        LockStoreException failure = await Assert.ThrowsAsync<LockStoreException>(async () => await store.CheckAsync(Cancellation));

        Assert.Contains("know no service 'loks'. Fix: correct serviceName", failure.Message, StringComparison.Ordinal);
    }

    private static async Task<RenewOutcome> RenewAsync(RedisLockStore store, AcquireRequest lease)
    {
        RenewOutcome[] outcomes = new RenewOutcome[1];
        await store.RenewAsync(new[] { LockRequests.Renew(lease) }, outcomes, Cancellation);
        return outcomes[0];
    }

    private static async Task<string[]> LostAsync(Load load, SentinelFleet fleet, RedisServer primary)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(fleet.ConnectionTo(primary));
        bool[] exist = await Task.WhenAll(load.Granted.Select(name => connection.GetDatabase().KeyExistsAsync($"task_lock:{name}")));
        return [.. load.Granted.Where((_, i) => !exist[i])];
    }

    /// <summary>When a replica was promoted, by its own log.</summary>
    private static DateTime PromotedAt(RedisServer server)
    {
        string[] words = server.Output.Split('\n').Last(line => line.Contains("MASTER MODE enabled", StringComparison.Ordinal)).Split(' ');
        return DateTime.ParseExact(string.Join(' ', words[1..5]), "dd MMM yyyy HH:mm:ss.fff", CultureInfo.InvariantCulture);
    }

    /// <summary>When this process heard that a sentinel has selected a replica.</summary>
    private sealed class Selection(ConnectionMultiplexer[] connections) : IAsyncDisposable
    {
        private readonly ConcurrentQueue<DateTime> _heard = new();

        public static async Task<Selection> OfAsync(SentinelFleet fleet)
        {
            Selection selection = new(await Task.WhenAll(
                fleet.Sentinels.Select(sentinel => ConnectionMultiplexer.SentinelConnectAsync(sentinel.Endpoint))));
            foreach (ConnectionMultiplexer connection in selection.Connections)
            {
                await connection.GetSubscriber().SubscribeAsync(
                    RedisChannel.Literal("+selected-slave"), (_, _) => selection._heard.Enqueue(DateTime.Now));
            }

            return selection;
        }

        private ConnectionMultiplexer[] Connections => connections;

        public DateTime HeardAt => _heard.First();

        public async ValueTask DisposeAsync()
        {
            foreach (ConnectionMultiplexer connection in connections)
            {
                await connection.DisposeAsync();
            }
        }
    }

    /// <summary>Acquires one lock after the other, without releasing them.</summary>
    private sealed class Load
    {
        private readonly Task _running;

        private volatile bool _isOver;

        public Load(RedisLockStore store) => _running = Task.Run(() => RunAsync(store));

        public ConcurrentQueue<string> Granted { get; } = [];

        public ConcurrentQueue<LockStoreException> Failures { get; } = [];

        public async Task IsGrantedAsync(int more)
        {
            int before = Granted.Count;
            await Eventually.IsTrueAsync(() => Granted.Count >= before + more);
        }

        public Task EndAsync()
        {
            _isOver = true;
            return _running;
        }

        private async Task RunAsync(RedisLockStore store)
        {
            for (int i = 0; !_isOver; i++)
            {
                try
                {
                    await store.AcquireAsync(LockRequests.Acquire($"load:{i}"), CancellationToken.None);
                    Granted.Enqueue($"load:{i}");
                }
                catch (LockStoreException failure)
                {
                    Failures.Enqueue(failure);
                }

                await Task.Delay(5);
            }
        }
    }
}
