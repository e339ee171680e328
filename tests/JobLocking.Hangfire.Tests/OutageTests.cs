using System.Diagnostics;
using Hangfire;
using Hangfire.InMemory;
using Hangfire.States;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>What an outage of Redis costs the workers of a server.</summary>
public sealed class OutageTests
{
    [Fact]
    public async Task A_restart_of_half_a_second_defers_no_job()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Cluster cluster = new(redis.ConnectionString, new InMemoryStorage());
        Node node = await cluster.StartAsync("a", server: o => o.WorkerCount = 20);
        ILockStore store = node.Services.GetRequiredService<ILockStore>();
        for (int attempt = 0; attempt < 10; attempt++)
        {
            await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Auto("well", "well", default)));
            long killedAt = Stopwatch.GetTimestamp();
            await redis.KillAsync();

            // Half a second's worth of jobs, at eight jobs a second.
            string[] jobs = [.. Enumerable.Range(0, 4).Select(i => cluster.Client.Enqueue<Work>(w => w.Auto($"{i}", "restart", default)))];
            await Eventually.IsTrueAsync(() => Stopwatch.GetElapsedTime(killedAt) > TimeSpan.FromMilliseconds(500));
            await redis.RestartAsync();
            await Eventually.IsTrueAsync(() => store.ServerOf("any").IsConnected);
            if (Stopwatch.GetElapsedTime(killedAt) < TimeSpan.FromMilliseconds(900))
            {
                foreach (string job in jobs)
                {
                    await cluster.SucceedsAsync(job);
                    Assert.DoesNotContain(cluster.History(job), state => state.Name == ScheduledState.StateName);
                }

                return;
            }
        }

        Assert.Fail("The connection was never back in time.");
    }

    [Fact]
    public async Task Without_Redis_a_quarter_of_the_workers_wait_at_most_and_the_others_run_other_jobs()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Cluster cluster = new(redis.ConnectionString, new InMemoryStorage());
        await cluster.StartAsync("a", server: o => o.WorkerCount = 8);
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Auto("well", "well", default)));
        JobProbe free = cluster.Probes["free"];
        free.Hold();

        await redis.KillAsync();
        string[] locked = [.. Enumerable.Range(0, 40).Select(i => cluster.Client.Enqueue<Work>(w => w.Auto($"{i}", "locked", default)))];
        cluster.Client.Enqueue<Work>(w => w.Free("free", default));
        await Eventually.IsTrueAsync(() => free.Begun == 1);

        Assert.InRange(locked.Count(job => cluster.History(job)[0].Name == ProcessingState.StateName), 0, 2);
        free.Release();
        await redis.RestartAsync();
        await Task.WhenAll(locked.Select(cluster.SucceedsAsync));
    }

    [Fact]
    public async Task A_frozen_Redis_does_not_keep_the_workers_for_as_long_as_the_client_library_waits()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Cluster cluster = new(redis.ConnectionString, new InMemoryStorage()) { AsyncTimeout = 60_000 };
        await cluster.StartAsync("a", server: o => o.WorkerCount = 8);
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Auto("well", "well", default)));

        redis.Pause();
        string[] locked = [.. Enumerable.Range(0, 40).Select(i => cluster.Client.Enqueue<Work>(w => w.Auto($"{i}", "locked", default)))];
        await cluster.SucceedsAsync(cluster.Client.Enqueue<Work>(w => w.Free("free", default)));

        Assert.Contains(locked, job => cluster.History(job)[0].Name == ScheduledState.StateName);
        redis.Resume();
        await Task.WhenAll(locked.Select(cluster.SucceedsAsync));
    }
}
