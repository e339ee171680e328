using JobLocking.TestKit;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>What an outage of Redis costs the threads of a scheduler.</summary>
public sealed class OutageTests
{
    private const int Unavailable = 1104;

    private const int AvailableAgain = 1120;

    [Fact]
    public async Task Without_Redis_ten_locked_crons_do_not_block_an_unlocked_one_and_the_outage_is_logged_once()
    {
        await using SharedRedis redis = new();
        await redis.InitializeAsync();
        await using Cluster cluster = new(redis);
        Node node = await cluster.StartAsync("a", n =>
        {
            foreach (int i in Enumerable.Range(0, 10))
            {
                n.Lock($"locked-{i}", new TaskLockAttribute($"locked-{i}"));
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => node.FireAsync<WorkJob>($"locked-{i}", EachSecond)));
        await node.FireAsync<WorkJob>("free", EachSecond);
        await cluster.Journal.BegunAsync(11);

        await redis.Server.KillAsync();
        int before = Free().Count;
        await Eventually.IsTrueAsync(() => Free().Count >= before + 4);

        List<DateTimeOffset> fired = Free();
        Assert.Equal(Enumerable.Range(0, fired.Count).Select(i => fired[0].AddSeconds(i)), fired);
        Assert.True(node.Firings.All.Count(ended => !ended.IsRun) > 20);
        Assert.Equal(LogLevel.Warning, Assert.Single(node.Logs.Of(Unavailable)).Level);
        Assert.Empty(node.Logs.Of(AvailableAgain));

        await redis.Server.RestartAsync();
        await Eventually.IsTrueAsync(() => node.Logs.Of(AvailableAgain).Any());
        int well = cluster.Journal.Runs.Count;
        await cluster.Journal.BegunAsync(well + 11);
        Assert.Single(node.Logs.Of(Unavailable));
        Assert.Single(node.Logs.Of(AvailableAgain));

        List<DateTimeOffset> Free() => [.. cluster.Journal.Runs.Where(run => run.Job.Name == "free").Select(run => run.Scheduled!.Value)];
    }

    private static void EachSecond(TriggerBuilder<IJob> trigger) => trigger.WithCronSchedule("* * * * * ?");
}
