using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>Deployments that were started with different limits for one lock.</summary>
public sealed class LimitTests
{
    [Fact]
    public async Task The_smaller_limit_of_two_deployments_counts_until_its_last_execution_has_left()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess old = await cluster.StartAsync("old", limit: 3);
        WorkerProcess @new = await cluster.StartAsync("new", limit: 5);

        old.Tell("hangfire 1 held");
        old.Tell("quartz 1 held");
        await cluster.EnteredAsync(2);
        @new.Tell("wait 1 held");
        await cluster.EnteredAsync(3);
        await cluster.EnqueueAsync(@new, hangfire: 1, quartz: 2, wait: 1, "held");

        old.Tell("end 2");
        await cluster.EnteredAsync(7);
        await cluster.EnqueueAsync(old, hangfire: 1, quartz: 1, wait: 1, "held");

        @new.Tell("end 5");
        await cluster.EnteredAsync(10);
        await cluster.EnqueueAsync(@new, hangfire: 1, quartz: 1, wait: 1);
        old.Tell("end 3");
        await cluster.LeftAsync(13);

        // And now at the same time.
        Start(old, "hangfire", "quartz", "wait");
        Start(@new, "wait", "quartz", "hangfire");
        await cluster.LeftAsync(13 + 60);
        await cluster.EndAsync();
        Assert.Equal(5, await MostInsideAsync(cluster, total: 73));
    }

    [Fact]
    public async Task A_lock_goes_from_a_limit_of_two_to_one_and_back_and_no_waiter_is_left_behind()
    {
        await using QueueCluster cluster = await QueueCluster.StartAsync();
        WorkerProcess one = await cluster.StartAsync("one", limit: 1);
        WorkerProcess two = await cluster.StartAsync("two", limit: 2);

        two.Tell("quartz 1 held");
        two.Tell("wait 1 held");
        await cluster.EnteredAsync(2);
        for (int round = 0; round < 3; round++)
        {
            await cluster.EnqueueAsync(one, hangfire: round == 0 ? 1 : 0, quartz: round == 1 ? 1 : 0, wait: round == 2 ? 1 : 0, "held");
            two.Tell("end 2");
            await cluster.EnteredAsync(3 + (3 * round));
            await cluster.EnqueueAsync(two, hangfire: 1, quartz: 0, wait: 1, "held");
            one.Tell("end 1");
            await cluster.EnteredAsync(5 + (3 * round));
        }

        two.Tell("end 2");
        await cluster.LeftAsync(11);
        Start(one, "wait", "hangfire", "quartz");
        Start(two, "hangfire", "wait", "quartz");
        await cluster.LeftAsync(11 + 60);
        await cluster.EndAsync();
        Assert.Equal(2, await MostInsideAsync(cluster, total: 71));
    }

    private static void Start(WorkerProcess worker, params string[] kinds) => Array.ForEach(kinds, kind => worker.Tell($"{kind} 10"));

    /// <summary>The largest number that were inside at once. There were never more than the limit known to any of those inside.</summary>
    private static async Task<int> MostInsideAsync(QueueCluster cluster, int total)
    {
        Dictionary<long, int> inside = [];
        HashSet<long> tokens = [];
        int most = 0;
        foreach (QueueCluster.Entry entry in await cluster.JournalAsync())
        {
            if (!entry.Enters)
            {
                Assert.True(inside.Remove(entry.Token));
                continue;
            }

            Assert.True(tokens.Add(entry.Token));
            inside.Add(entry.Token, entry.Limit);
            most = Math.Max(most, inside.Count);
            Assert.InRange(inside.Count, 1, inside.Values.Min());
        }

        Assert.Empty(inside);
        Assert.Equal(total, tokens.Count);
        return most;
    }
}
