using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Connections;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace JobLocking.Redis.Tests.Hosting;

/// <summary>A complete host on a Redis that comes and goes.</summary>
public sealed class HostTests : OwnServerTests
{
    [Fact]
    public async Task A_host_starts_while_Redis_is_down_says_so_and_begins_to_work_by_itself()
    {
        await Server.KillAsync();
        using IHost host = HostOn(Server);

        await host.StartAsync(Cancellation);

        HealthReport report = await CheckAsync(host);
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await locks.TryAcquireAsync(Name, cancellationToken: Cancellation));

        await Server.RestartAsync();

        await Eventually.SeesAsync(async () => (await CheckAsync(host)).Status, status => status == HealthStatus.Healthy);
        await using (TaskLease? lease = await locks.TryAcquireAsync(Name, cancellationToken: Cancellation))
        {
            Assert.NotNull(lease);
        }

        await host.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_lease_is_lost_when_an_operator_of_another_process_breaks_it()
    {
        using IHost holder = HostOn(Server);
        using IHost @operator = HostOn(Server);
        await holder.StartAsync(Cancellation);
        await @operator.StartAsync(Cancellation);
        await using TaskLease? lease = await holder.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync(Name, cancellationToken: Cancellation);
        await Eventually.SeesAsync(
            async () => ((string[]?)await Redis.ExecuteAsync("PUBSUB", "CHANNELS", "task_lock:process:*"))!.Length, listening => listening == 2);

        Assert.True(await @operator.Services.GetRequiredService<ITaskLocks>().BreakAsync(Name, lease!.FencingToken, Cancellation));

        await Eventually.IsTrueAsync(() => lease.Lost.IsCancellationRequested);
        Assert.Throws<TaskLockLostException>(lease.ThrowIfLost);
        await holder.StopAsync(Cancellation);
        await @operator.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_lease_survives_a_lost_connection_and_so_do_the_scripts()
    {
        using IHost host = HostOn(Server);
        await host.StartAsync(Cancellation);
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        await using TaskLease? lease = await locks.TryAcquireAsync(Name, new TaskLockOptions { Expire = TimeSpan.FromSeconds(30) }, Cancellation);
        await Redis.KeyExpireAsync(LockKey, TimeSpan.FromSeconds(20));

        await Redis.ExecuteAsync("SCRIPT", "FLUSH");
        await Redis.ExecuteAsync("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");

        // Renewed at once when the connection is back, not only at a third of the expiry.
        await Eventually.SeesAsync(async () => await Redis.KeyTimeToLiveAsync(LockKey), left => left > TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(9));
        Assert.False(lease!.Lost.IsCancellationRequested);
        await host.StopAsync(Cancellation);
    }

    [Fact]
    public async Task A_wait_and_all_waits_after_it_end_with_the_services()
    {
        await using RedisLockStore other = CreateStore(Server.ConnectionString);
        await other.AcquireAsync(LockRequests.Acquire(Name), Cancellation);
        ITaskLocks locks;
        Task<TaskLease> waiting;
        using (IHost host = HostOn(Server))
        {
            await host.StartAsync(Cancellation);
            locks = host.Services.GetRequiredService<ITaskLocks>();
            waiting = locks.AcquireAsync(Name, cancellationToken: Cancellation).AsTask();
            await Eventually.SeesAsync(async () => await Redis.SortedSetLengthAsync(QueueKey), queued => queued == 1);
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.WaitAsync(Eventually.DefaultTimeout, Cancellation));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await locks.AcquireAsync(Name, cancellationToken: Cancellation));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await locks.TryAcquireAsync(Name, cancellationToken: Cancellation));
    }

    private static IHost HostOn(RedisServer server) =>
        UseRedisTests.Host(locks => locks.UseRedis($"{server.ConnectionString},connectTimeout=500,asyncTimeout=500"));

    private static async Task<HealthReport> CheckAsync(IHost host) =>
        await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancellation);
}
