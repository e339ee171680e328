using System.Diagnostics;
using System.Globalization;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>The worker's jobs have Expire = 3 and DeferBy = 3600, and a process polls a lock every 5 seconds: a job that runs soon was woken.</summary>
public sealed class DeadOrFrozenHolderTests
{
    private const string Never = "2100-01-01T00:00:00Z";

    private static readonly TimeSpan Promised = TimeSpan.FromSeconds(3 + 5.1);

    // Nothing limits how long a busy machine takes to start a thread or a process.
    private static readonly TimeSpan Noise = TimeSpan.FromSeconds(10);

    public static TheoryData<string, string> Schedulers => new()
    {
        { "quartz", "quartz" },
        { "hangfire", "hangfire" },
        { "quartz", "hangfire" },
        { "hangfire", "quartz" },
    };

    [Theory]
    [MemberData(nameof(Schedulers))]
    public async Task When_the_holder_is_killed_another_process_runs_after_expiry_and_a_poll(string holder, string other)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WorkerProcess first = await StartAsync(holder, redis, "first");
        first.Tell("fire");
        await first.SaysAsync($"started {holder}");
        await using WorkerProcess second = await StartAsync(other, redis, "second");
        second.Tell("fire");
        string deferral = await second.SaysAsync("event 1101");
        Assert.Contains("on first", deferral, StringComparison.Ordinal);
        Assert.False(second.HasSaid("started"));

        await first.KillAsync();
        long killed = Stopwatch.GetTimestamp();
        await second.SaysAsync($"started {other}");
        Assert.InRange(Stopwatch.GetElapsedTime(killed), TimeSpan.Zero, Promised + Noise);
    }

    [Theory]
    [InlineData("quartz")]
    [InlineData("hangfire")]
    public async Task A_holder_frozen_past_its_expiry_finds_its_lease_lost_as_it_resumes(string scheduler)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WorkerProcess first = await StartAsync(scheduler, redis, "first");
        first.Tell("fire");
        string[] started = (await first.SaysAsync($"started {scheduler}")).Split(' ');
        await using WorkerProcess second = await StartAsync("quartz", redis, "second");
        first.Freeze();
        second.Tell("fire");
        string[] successor = (await second.SaysAsync("started quartz")).Split(' ');
        Assert.True(Token(successor) > Token(started));
        Assert.False(first.HasSaid("lost"));

        first.Thaw();
        string[] lost = (await first.SaysAsync($"lost {scheduler}")).Split(' ');
        Assert.Equal(Token(started), Token(lost));

        // Nothing that the first holder does at its end harms the successor.
        await first.SaysAsync("event 1005");
        Assert.False(second.HasSaid("lost"));
    }

    [Fact]
    public async Task When_the_node_that_runs_an_occurrence_is_killed_the_other_runs_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        string at = DateTimeOffset.UtcNow.AddSeconds(5).ToString("O", CultureInfo.InvariantCulture);
        await using WorkerProcess first = await WorkerProcess.StartAsync("quartz", redis.ConnectionString, "first", at);
        await using WorkerProcess second = await WorkerProcess.StartAsync("quartz", redis.ConnectionString, "second", at);

        WorkerProcess runner = await Eventually.SeesAsync(
            () => first.HasSaid("started occurrence") ? first : second.HasSaid("started occurrence") ? second : null!, w => w is not null);
        WorkerProcess standby = runner == first ? second : first;
        await standby.SaysAsync("event 1116");
        Assert.False(standby.HasSaid("started"));

        await runner.KillAsync();
        long killed = Stopwatch.GetTimestamp();
        await standby.SaysAsync("started occurrence");
        Assert.InRange(Stopwatch.GetElapsedTime(killed), TimeSpan.Zero, Promised + Noise);
    }

    [Fact]
    public async Task What_meets_the_lease_of_the_same_job_is_skipped_and_deferred_if_its_process_is_dead()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WorkerProcess first = await StartAsync("quartz", redis, "first");
        await using WorkerProcess second = await StartAsync("quartz", redis, "second");
        await ListenAsync(redis, processes: 2);
        first.Tell("fire hourly");
        await first.SaysAsync("started recurring");
        second.Tell("fire hourly");
        await second.SaysAsync("event 1100");

        await first.KillAsync();
        await ListenAsync(redis, processes: 1);
        second.Tell("fire hourly");
        Assert.Contains("on first, Quartz", await second.SaysAsync("event 1101"), StringComparison.Ordinal);
        Assert.Contains("whose process does not answer", await second.SaysAsync("event 1101"), StringComparison.Ordinal);

        await second.SaysAsync("started recurring");
        Assert.Equal(1, second.Count("event 1100"));
    }

    private static async Task ListenAsync(RedisServer redis, int processes)
    {
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync($"{redis.ConnectionString},allowAdmin=true");
        IServer server = client.GetServer(redis.Endpoint);
        await Eventually.IsTrueAsync(async () => (await server.SubscriptionChannelsAsync(RedisChannel.Pattern("task_lock:process:*"))).Length == processes);
    }

    private static Task<WorkerProcess> StartAsync(string scheduler, RedisServer redis, string node) => scheduler == "quartz"
        ? WorkerProcess.StartAsync("quartz", redis.ConnectionString, node, Never)
        : WorkerProcess.StartAsync("hangfire", redis.ConnectionString, node);

    private static long Token(string[] fact) => long.Parse(fact[2], CultureInfo.InvariantCulture);
}
