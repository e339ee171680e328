using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>
/// How many requests all nodes together make for one occurrence. Each is one script on the server (<c>RoundTripTests</c>). Renewals and
/// safety polls are not counted, and no deferral comes back by itself.
/// </summary>
public sealed class OccurrenceCostTests(SharedRedis redis)
{
    /// <summary>Before a deferral, which is due in an hour, and after the test: Quartz takes some times from the machine's clock.</summary>
    private static readonly DateTimeOffset Scheduled = FullMinute(DateTimeOffset.UtcNow.AddMinutes(20));

    [Theory]
    [InlineData(3)]
    [InlineData(12)]
    public async Task An_occurrence_whose_run_is_over_before_the_others_ask_costs_a_request_for_each_node_and_one(int count)
    {
        await using Cluster cluster = new(redis);
        (Node Node, Clock Clock)[] nodes = await StartAsync(cluster, count);
        foreach ((Node node, Clock clock) in nodes)
        {
            clock.Start();
            await node.Firings.EndedAsync(1);
        }

        Assert.Single(cluster.Journal.Runs);
        Assert.InRange(nodes.Sum(n => n.Node.Store.Requests), count, count + 1);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(12)]
    public async Task An_occurrence_that_runs_while_the_others_ask_costs_three_requests_for_each_node(int count)
    {
        await using Cluster cluster = new(redis);
        cluster.Journal.HoldFirst();
        (Node Node, Clock Clock)[] nodes = await StartAsync(cluster, count);
        nodes[0].Clock.Start();
        await cluster.Journal.BegunAsync(1);
        foreach ((Node node, Clock clock) in nodes[1..])
        {
            clock.Start();
            await node.Firings.EndedAsync(1);
        }

        cluster.Journal.LetAllEnd();

        // Each that stands by is told that the occurrence was run.
        await Task.WhenAll(nodes[1..].Select(n => n.Node.Firings.EndedAsync(e => e.IsReturned && e.IsSkipped)));
        await nodes[0].Node.Firings.EndedAsync(e => e.IsRun);
        Assert.Single(cluster.Journal.Runs);
        Assert.InRange(nodes.Sum(n => n.Node.Store.Requests), 2 * count, 3 * count);
    }

    private static DateTimeOffset FullMinute(DateTimeOffset time) => time.AddTicks(-(time.Ticks % TimeSpan.TicksPerMinute));

    /// <summary>Starts nodes whose clocks stand just before the occurrence.</summary>
    private static async Task<(Node Node, Clock Clock)[]> StartAsync(Cluster cluster, int count)
    {
        List<(Node Node, Clock Clock)> nodes = [];
        for (int i = 0; i < count; i++)
        {
            Clock clock = new();
            Node node = await cluster.StartAsync($"node-{i}", n =>
            {
                n.Lock(new TaskLockAttribute("report") { DeferBy = 3600 });
                n.Quartz = q => q.UseTimeProvider(clock);
            });
            await node.FireAsync<WorkJob>(Work.Name, t => t.WithSchedule(
                CronScheduleBuilder.Create($"0 {Scheduled.Minute} {Scheduled.Hour} * * ?").InTimeZone(TimeZoneInfo.Utc)));
            nodes.Add((node, clock));
        }

        return [.. nodes];
    }

    /// <summary>Stands at a time just before the occurrence until it is started.</summary>
    private sealed class Clock : TimeProvider
    {
        private long _started;

        public void Start() => _started = GetTimestamp();

        public override DateTimeOffset GetUtcNow() =>
            Scheduled.AddMilliseconds(-200) + (_started == 0 ? TimeSpan.Zero : GetElapsedTime(_started));
    }
}
