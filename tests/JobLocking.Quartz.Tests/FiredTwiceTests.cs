using System.Collections.Concurrent;
using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>
/// In a cluster that shares its triggers one node wakes a deferral while another fires it: the wake-up replaces a trigger that is firing,
/// and two firings stand for the same work.
/// </summary>
public sealed class FiredTwiceTests(SharedRedis redis, SharedStore store) : IClassFixture<SharedStore>
{
    private readonly ConcurrentDictionary<string, Pair> _pairs = [];
    private int _looks;

    [Fact]
    public async Task Deferrals_that_are_woken_by_one_node_as_another_fires_them_run_once_each()
    {
        const int Count = 30;
        await using Cluster cluster = new(redis);
        (Node wakes, Node fires) = await StartAsync(cluster);

        await FireTwiceAsync(wakes, fires, Count);
        await Eventually.IsTrueAsync(() => Returned(wakes, fires).Count(e => e.IsRun || IsCopy(e)) == 2 * Count);

        Assert.Equal(Enumerable.Range(0, Count), cluster.Journal.Runs.Select(r => r.Trigger.JobDataMap.GetInt("number")).Order());
        Assert.Equal(Count, Returned(wakes, fires).Count(IsCopy));
        Assert.Equal(Count, wakes.Logs.Of(1115).Concat(fires.Logs.Of(1115)).Count());
        await Eventually.IsTrueAsync(async () => (await fires.Scheduler.QueryTriggers(Node.Deferrals)).Items.Count == 0);
    }

    [Fact]
    public async Task The_retry_of_a_firing_whose_trigger_a_wake_up_has_replaced_is_not_lost()
    {
        const int Count = 5;
        await using Cluster cluster = new(redis);
        (Node wakes, Node fires) = await StartAsync(cluster);
        cluster.Journal.Do = async (run, _) =>
        {
            if (run.Context.RetryAttempt == 0)
            {
                // Its copy has been refused by then, and the last trigger of its job is gone with the copy.
                if (!Of(run.Trigger.Key).Runs.TrySetResult())
                {
                    return; // the retry, acquired before it was written
                }

                await Eventually.IsTrueAsync(async () => await fires.Scheduler.GetJobDetail(run.Job, Token) is null);
                throw new InvalidOperationException("at first");
            }
        };

        await FireTwiceAsync(wakes, fires, Count, t => t.WithRetryPolicy(RetryPolicy.Fixed(1, TimeSpan.FromSeconds(1))), beforeSecond: pair => pair.Runs.Task);
        await Eventually.IsTrueAsync(() => Runs().Count() == Count && Runs().All(runs => runs.Count() > 1));
        await Eventually.IsTrueAsync(async () => (await fires.Scheduler.QueryTriggers(Node.Deferrals)).Items.Count == 0);

        Assert.Equal(Count, Returned(wakes, fires).Count(IsCopy));

        IEnumerable<IGrouping<int, Journal.Run>> Runs() => cluster.Journal.Runs.GroupBy(r => r.Trigger.JobDataMap.GetInt("number"));
    }

    private static IEnumerable<Firings.Ended> Returned(params Node[] nodes) => nodes.SelectMany(node => node.Firings.All).Where(ended => ended.IsReturned);

    private static bool IsCopy(Firings.Ended ended) => ended.IsSkipped && Equals(ended.Report!.Metrics!["lock.outcome"], "copy");

    /// <summary>
    /// A node that wakes deferrals, and fires those that it has woken; and one in standby that fires them when their time has come.
    /// </summary>
    private async Task<(Node Wakes, Node Fires)> StartAsync(Cluster cluster)
    {
        string scheduler = $"cluster-{Guid.NewGuid():N}";
        StoreAccess access = new()
        {
            Fires = key => key.Group != "joblocking" || Of(key).First.Task.IsCompleted,
            AfterPoll = key =>
            {
                Interlocked.Increment(ref _looks);
                return Of(key).First.Task.WaitAsync(Token);
            },
        };
        Node wakes = await cluster.StartAsync("wakes", n => Configure(n, access));
        Node fires = await cluster.StartAsync("fires", n => Configure(n));
        await fires.Scheduler.Standby(Token);
        wakes.Store.IsBlind = true;
        fires.Store.IsBlind = true;
        return (wakes, fires);

        void Configure(NodeOptions node, StoreAccess? access = null)
        {
            node.Scheduler = scheduler;
            node.Quartz = q => q.UseDefaultThreadPool(100);
            store.Use(node, access);
        }
    }

    /// <summary>
    /// Each deferral fires when the node that wakes it has read it, and a second time when that node has replaced it; then both firings
    /// continue at the same moment.
    /// </summary>
    private async Task FireTwiceAsync(Node wakes, Node fires, int count, Action<TriggerBuilder<IJob>>? trigger = null, Func<Pair, Task>? beforeSecond = null)
    {
        List<TaskLease> held = [];
        for (int i = 0; i < count; i++)
        {
            held.Add(await wakes.HoldAsync($"report:{i}"));
            TriggerBuilder<IJob> builder = TriggerBuilder.Create().WithIdentity($"{i}").UsingJobData("number", i).StartNow();
            trigger?.Invoke(builder);
            await wakes.Scheduler.ScheduleJob(JobBuilder.Create<ReportJob>().WithIdentity($"{i}").Build(), builder.Build(), cancellationToken: Token);
        }

        await Eventually.IsTrueAsync(() => wakes.Firings.All.Count(e => e.IsDeferred) == count);
        await Task.WhenAll(held.Select(lease => lease.DisposeAsync().AsTask()));
        await Eventually.IsTrueAsync(() => _looks == count);

        wakes.Firings.AtBegin = fires.Firings.AtBegin = fired =>
        {
            Pair pair = Of(fired.Key);
            if (pair.First.TrySetResult())
            {
                return pair.Second.Task.WaitAsync(Token);
            }

            pair.Second.TrySetResult();
            return beforeSecond?.Invoke(pair).WaitAsync(Token) ?? Task.CompletedTask;
        };
        await fires.Scheduler.Start(Token);
    }

    /// <summary>The names of triggers that stand for the same work have the same beginning.</summary>
    private Pair Of(TriggerKey key) => _pairs.GetOrAdd(key.Name.Split('-')[0], _ => new Pair());

    [TaskLock("report:{number}", DeferBy = 1)]
    internal sealed class ReportJob(Journal journal) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
    }

    private sealed class Pair
    {
        public TaskCompletionSource First { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Second { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Runs { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
