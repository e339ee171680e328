using System.Globalization;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>Processes whose tasks block all threads of the pool, which is as large as the runtime makes it.</summary>
public sealed class StarvedPoolTests
{
    private static readonly TimeSpan Expire = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task While_500_tasks_block_a_lease_of_10_seconds_is_kept()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WorkerProcess worker = await WorkerProcess.StartAsync("starved", redis.ConnectionString, "10", "500");

        // A renewal comes at a third of the expiry: after four of them the first expiry is over.
        await IsRenewedAsync(redis, times: 4);
        worker.EndInput();
        string said = await worker.SaysAsync("kept");
        Assert.InRange(Milliseconds(said), Expire.TotalMilliseconds / 10, Expire.TotalMilliseconds);
    }

    [Theory]
    [InlineData("3")]
    [InlineData("1")]
    public async Task A_holder_whose_threads_are_all_blocked_knows_of_a_loss_by_the_deadline(string expire)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using WorkerProcess worker = await WorkerProcess.StartAsync("starved", redis.ConnectionString, expire, "50");
        redis.Pause();
        string said = await worker.SaysAsync("lost");
        redis.Resume();
        Assert.InRange(Milliseconds(said), 0, int.Parse(expire, CultureInfo.InvariantCulture) * 1000);
    }

    private static async Task IsRenewedAsync(RedisServer redis, int times)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);
        (TimeSpan left, int renewed) = (TimeSpan.Zero, -1);
        await Eventually.SeesAsync(
            async () =>
            {
                TimeSpan now = await connection.GetDatabase().KeyTimeToLiveAsync("task_lock:starved") ?? TimeSpan.Zero;
                renewed += now > left ? 1 : 0;
                left = now;
                return renewed;
            },
            seen => seen >= times,
            TimeSpan.FromSeconds(60));
    }

    private static double Milliseconds(string fact) => double.Parse(fact.Split(' ')[1], CultureInfo.InvariantCulture);
}
