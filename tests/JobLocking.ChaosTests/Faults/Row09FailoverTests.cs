using JobLocking.ChaosTests.History;
using JobLocking.ChaosTests.Network;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 9: a replica that takes over without the last write may allow a second holder. Tokens still grow, unless its clock is behind
/// by more than the failover took.
/// </summary>
public sealed class Row09FailoverTests
{
    private const string Failover = "failover";

    [Fact]
    public async Task The_first_of_two_holders_is_notified_and_kept_from_the_resource()
    {
        await using Lab lab = await StartAsync();
        await using Replica replica = await Replica.OfAsync(lab, await RedisServer.StartAsync());
        Worker[] workers = await lab.WorkAsync(2);
        replica.FallBehind();
        HistoryEvent first = await workers[0].HoldAsync("x");
        await FailOverAsync(lab, replica);
        await FindsAsync(lab, workers[1]);

        HistoryEvent second = await workers[1].HoldAsync("x");
        Assert.True(second.Token > first.Token);
        await lab.LosesAsync(workers[0].Name, "x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);
        long told = Lab.Now;
        await lab.SeesAsync(HistoryEventKind.Wrote, workers[1].Name, count: 20, since: told);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned && e.Process == workers[1].Name);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Service_continues_after_a_failover_without_a_restart_of_any_process()
    {
        await using Lab lab = await StartAsync();
        await using Replica replica = await Replica.OfAsync(lab, await RedisServer.StartAsync());
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2));
        Array.ForEach(workers, w => w.Load("shared", limit: 2, parallel: 2, how: "wait"));
        await lab.SeesAsync(HistoryEventKind.Granted, count: 50);
        replica.FallBehind();
        await lab.SeesAsync(HistoryEventKind.Granted, count: 50, since: Lab.Now);
        await FailOverAsync(lab, replica);

        IReadOnlyList<HistoryEvent> healed = await lab.HealedAsync();
        Assert.All(workers, w => Assert.Contains(healed, e => e.What == HistoryEventKind.Granted && e.Process == w.Name));
        await lab.JudgeAsync();
    }

    [Theory]
    [InlineData(-1, true)]
    [InlineData(-3600, false)]
    public async Task Tokens_go_back_only_if_the_clock_is_behind_by_more_than_the_failover_took(int behind, bool grow)
    {
        await using Lab lab = await StartAsync();
        RedisServer late = await RedisServer.StartWithOwnClockAsync();
        late.SetClock(TimeSpan.FromSeconds(behind));
        await using Replica replica = await Replica.OfAsync(lab, late);
        Worker[] workers = await lab.WorkAsync(2);
        replica.FallBehind();
        HistoryEvent first = await workers[0].HoldAsync("x");
        lab.Began(Fault.ClockBehind);
        await Task.Delay(TimeSpan.FromSeconds(2));
        await FailOverAsync(lab, replica);
        lab.Ended(Fault.ClockBehind);

        await FindsAsync(lab, workers[1]);
        HistoryEvent second = await workers[1].HoldAsync("x");
        Assert.Equal(grow, second.Token > first.Token);
        workers[0].End("x");
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, @lock: "x", count: 2);
        await lab.JudgeAsync(tokensMayGoBack: !grow);
    }

    private static Task<Lab> StartAsync() => Lab.StartAsync("--repl-diskless-sync-delay", "0");

    /// <summary>A single request while the client still searches for the server finds the store unavailable.</summary>
    private static async Task FindsAsync(Lab lab, Worker worker)
    {
        worker.Load("any", how: "try");
        await lab.SeesAsync(HistoryEventKind.Granted, worker.Name, "any");
    }

    private static async Task FailOverAsync(Lab lab, Replica replica)
    {
        lab.Began(Failover);
        lab.Erased(perhaps: true);
        await lab.FailOverAsync(replica.Promoted());
        lab.Ended(Failover);
    }

    /// <summary>A replica, and its link to the primary.</summary>
    private sealed class Replica(RedisServer server, FaultProxy link) : IAsyncDisposable
    {
        private bool _isPromoted;

        public static async Task<Replica> OfAsync(Lab lab, RedisServer server)
        {
            FaultProxy link = FaultProxy.Start(lab.Redis.Port);
            await Lab.CommandAsync(server, "REPLICAOF", "127.0.0.1", link.Port);
            await Eventually.IsTrueAsync(async () => ((string)(await Lab.CommandAsync(server, "INFO", "replication"))!).Contains("master_link_status:up", StringComparison.Ordinal));
            return new Replica(server, link);
        }

        /// <summary>From here on it does not receive what is written.</summary>
        public void FallBehind() => link.DropReplies = true;

        /// <summary>It belongs to the lab from then on.</summary>
        public RedisServer Promoted()
        {
            _isPromoted = true;
            return server;
        }

        public async ValueTask DisposeAsync()
        {
            await link.DisposeAsync();
            if (!_isPromoted)
            {
                await server.DisposeAsync();
            }
        }
    }
}
