using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>Row 4: errors that are shorter than the lease do not lose it.</summary>
public sealed class Row04TransientErrorsTests
{
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(6);

    /// <summary>
    /// Longer than a renewal interval, so that at least one renewal falls within; shorter than the time to the deadline by as much as the
    /// machine may need.
    /// </summary>
    private static readonly TimeSpan Outage = Expiry * 0.4;

    [Fact]
    public Task A_right_that_is_taken_away_and_given_back_loses_nothing() => SurvivesAsync(
        "noperm",
        lab => lab.CommandAsync("ACL", "SETUSER", "job", "-eval", "-evalsha"),
        lab => lab.CommandAsync("ACL", "SETUSER", "job", "+@all"),
        "NOPERM");

    [Fact]
    public Task A_server_that_is_a_replica_for_a_while_loses_nothing() => SurvivesAsync(
        "readonly",
        lab => lab.CommandAsync("REPLICAOF", "127.0.0.1", "1"),
        lab => lab.CommandAsync("REPLICAOF", "NO", "ONE"));

    [Fact]
    public async Task A_foreign_script_that_blocks_the_server_loses_nothing()
    {
        Task? script = null;
        ConnectionMultiplexer? killer = null;
        await SurvivesAsync(
            "busy",
            async lab =>
            {
                killer = await ConnectionMultiplexer.ConnectAsync($"{lab.Redis.ConnectionString},allowAdmin=true,abortConnect=false");
                script = lab.CommandAsync("EVAL", "while true do end", "0");

                // Before that, the server would still grant requests.
                await Eventually.IsTrueAsync(async () => (await Record.ExceptionAsync(() => killer.GetDatabase().PingAsync()))?.Message.StartsWith("BUSY", StringComparison.Ordinal) == true);
            },
            async _ =>
            {
                await killer!.GetDatabase().ExecuteAsync("SCRIPT", "KILL");
                await Assert.ThrowsAnyAsync<RedisException>(() => script!);
                await killer.DisposeAsync();
            },
            "BUSY",
            "--busy-reply-threshold",
            "50");
    }

    [Fact]
    public async Task A_server_that_is_loading_its_data_loses_nothing()
    {
        await using Lab lab = await Lab.StartAsync("--appendonly", "yes", "--appendfsync", "always", "--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024");
        await lab.CommandAsync("EVAL", "for i = 1, 4000 do redis.call('SET', 'ballast:' .. i, i) end", "0");
        Worker worker = await lab.WorkAsync("worker");
        HistoryEvent lease = await worker.HoldAsync("x", Expiry);
        lab.Began("loading");
        await lab.Redis.RestartAsync();
        lab.Ended("loading");
        await GoesOnAsync(lab, worker, lease);
    }

    private static async Task SurvivesAsync(string fault, Func<Lab, Task> begin, Func<Lab, Task> end, string error = "", params string[] server)
    {
        await using Lab lab = await Lab.StartAsync(server);
        await lab.CommandAsync("ACL", "SETUSER", "job", "on", ">secret", "~*", "&*", "+@all");
        Worker worker = await lab.WorkAsync("worker", "user=job,password=secret");
        HistoryEvent lease = await worker.HoldAsync("x", Expiry);
        lab.Began(fault);
        await begin(lab);
        worker.Hold("y");
        HistoryEvent refused = (await lab.SeesAsync(HistoryEventKind.Unavailable, @lock: "y"))[0];
        Assert.Contains(error, refused.Detail, StringComparison.Ordinal);
        await Task.Delay(Outage);
        await end(lab);
        lab.Ended(fault);
        await GoesOnAsync(lab, worker, lease);
    }

    private static async Task GoesOnAsync(Lab lab, Worker worker, HistoryEvent lease)
    {
        long over = Lab.Now;
        await Task.Delay(Expiry);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned);
        Assert.Contains(lab.History, e => e.What == HistoryEventKind.Wrote && e.Token == lease.Token && e.At > over);
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released, @lock: "x");
        Assert.False((bool)await lab.CommandAsync("EXISTS", "task_lock:x"));
        await lab.JudgeAsync();
    }
}
