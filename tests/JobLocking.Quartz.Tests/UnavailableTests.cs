namespace JobLocking.Quartz.Tests;

public sealed class UnavailableTests(SharedRedis redis)
{
    [Fact]
    public async Task Under_Defer_the_firing_comes_back()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartCutOffAsync(cluster, LockUnavailable.Defer);

        await a.FireRecurringAsync();

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsDeferred, $"{ended}");
        await a.PendingDeferralAsync();
    }

    [Fact]
    public async Task Under_Fail_the_firing_fails()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartCutOffAsync(cluster, LockUnavailable.Fail);

        await a.FireRecurringAsync();

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.IsType<TaskLockUnavailableException>(ended.Error!.InnerException);
    }

    [Fact]
    public async Task Under_Run_the_job_runs_without_a_lease()
    {
        await using Cluster cluster = new(redis);
        Node a = await StartCutOffAsync(cluster, LockUnavailable.Run);

        await a.FireAsync<LeaseTests.TellingJob>(Work.Name);

        Firings.Ended ended = await a.Firings.EndedAsync(1);
        Assert.True(ended.IsRun, $"{ended}");
        Assert.Equal("none", Assert.Single(cluster.Journal.Runs).Told);
    }

    private static async Task<Node> StartCutOffAsync(Cluster cluster, LockUnavailable onUnavailable)
    {
        Node node = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("report") { OnUnavailable = onUnavailable }));
        node.Store.Cut();
        return node;
    }
}
