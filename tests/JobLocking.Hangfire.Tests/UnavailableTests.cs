using Hangfire;
using Hangfire.InMemory;
using Hangfire.States;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class UnavailableTests
{
    [Fact]
    public async Task Without_Redis_a_job_is_deferred_failed_or_run_as_configured_and_all_is_well_when_Redis_is_back()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Cluster cluster = new(redis.ConnectionString, new InMemoryStorage());
        await cluster.StartAsync("a", server: o => o.WorkerCount = 4);
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Unavailable>(u => u.Defer()));
        JobProbe probe = cluster.Probes["unavailable"];
        Assert.Equal(1, probe.Ended);

        await redis.KillAsync();
        string deferred = cluster.Client.Enqueue<Unavailable>(u => u.Defer());
        string failing = cluster.Client.Enqueue<Unavailable>(u => u.Fail());
        string running = cluster.Client.Enqueue<Unavailable>(u => u.Run());
        string insisting = cluster.Client.Enqueue<Unavailable>(u => u.RunInsisting());

        await cluster.SeesAsync(deferred, ScheduledState.StateName, "Deferred (1): could not acquire lock 'unavailable'");
        JobState failed = await cluster.SeesAsync(failing, FailedState.StateName);
        Assert.Equal(typeof(TaskLockUnavailableException).FullName, failed.Data["ExceptionType"]);
        await cluster.SucceedsAsync(running);
        Assert.Equal([null, null], probe.Locks.Skip(2));
        failed = await cluster.SeesAsync(insisting, FailedState.StateName);
        Assert.Contains("runs without its lock", failed.Data["ExceptionMessage"], StringComparison.Ordinal);

        await redis.RestartAsync();
        await cluster.SucceedsAsync(deferred);
        Assert.Equal("unavailable", probe.Locks.Last());
    }
}
