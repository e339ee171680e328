using System.Collections.Concurrent;
using System.Globalization;
using JobLocking.Redis.Tests.Connections;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace JobLocking.Redis.Tests.Hosting;

/// <summary>What it costs to hold a lease, and to request a lock that the process holds, as the server counts it.</summary>
public sealed class HeldLeasesTests : OwnServerTests
{
    [Fact]
    public async Task Ten_thousand_leases_are_renewed_by_about_a_hundred_scripts()
    {
        const int Leases = 10_000;
        using IHost host = await StartAsync();
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        ConcurrentBag<TaskLease> held = [];
        TaskLockOptions options = new() { Expire = TimeSpan.FromSeconds(30) };
        await Parallel.ForAsync(0, Leases, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, ct) =>
            held.Add((await locks.TryAcquireAsync($"{Name}:{i}", options, ct))!));
        DateTimeOffset acquired = DateTimeOffset.UtcNow;
        await Redis.ExecuteAsync("CONFIG", "RESETSTAT");

        // All have been renewed when none still has the expiry that it got when it was taken.
        await Eventually.IsTrueAsync(() => held.All(lease => lease.ExpiresAt > acquired + options.Expire), TimeSpan.FromSeconds(60));

        long scripts = await ScriptsAsync();
        Assert.InRange(scripts, Leases / 100, 3 * (Leases / 100));
        Assert.DoesNotContain(held, lease => lease.Lost.IsCancellationRequested);
        await Parallel.ForEachAsync(held, async (lease, _) => await lease.DisposeAsync());
        await host.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Neither_contention_within_the_process_nor_an_idle_renewal_loop_costs_a_command()
    {
        using IHost host = await StartAsync();
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        await (await locks.AcquireAsync(Name, cancellationToken: Cancellation)).DisposeAsync();
        await using (TaskLease? lease = await locks.TryAcquireAsync(Name, cancellationToken: Cancellation))
        {
            await Redis.ExecuteAsync("CONFIG", "RESETSTAT");
            for (int i = 0; i < 100; i++)
            {
                Assert.Null(await locks.TryAcquireAsync(Name, cancellationToken: Cancellation));
            }

            Assert.Equal(0, await ScriptsAsync());
        }

        Assert.Equal(1, await ScriptsAsync());
        await host.StopAsync(Cancellation);
    }

    [Fact]
    public async Task Releases_that_race_renewals_leave_no_key_behind()
    {
        using IHost host = await StartAsync();
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();

        // Renewed every 300 ms and released at about the time of a renewal. Of 200 that ask at once, none has to wait for its answer longer
        // than its lease lasts.
        TaskLockOptions options = new() { Expire = TimeSpan.FromMilliseconds(900) };
        await Parallel.ForAsync(0, 4_000, new ParallelOptions { MaxDegreeOfParallelism = 200 }, async (i, ct) =>
        {
            TaskLease lease = (await locks.TryAcquireAsync($"{Name}:{i}", options, ct))!;
            await Task.Delay(TimeSpan.FromMilliseconds(298 + (i % 5)), ct);
            await lease.DisposeAsync();
            Assert.False(await Redis.KeyExistsAsync($"{LockKey}:{i}"));
        });

        Assert.Empty(await locks.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        await host.StopAsync(Cancellation);
    }

    private async Task<IHost> StartAsync()
    {
        IHost host = UseRedisTests.Host(locks => locks.UseRedis(Server.ConnectionString));
        await host.StartAsync(Cancellation);

        // The host checks the store in the background, which must not be counted with what follows: acquire, renew and release by
        // hash and then by text, because the server does not know them yet, and the script of the check by text.
        await Eventually.SeesAsync(ScriptsAsync, scripts => scripts == 7);
        return host;
    }

    /// <summary>A script is sent by its hash, and by its text if the server does not know it: both count.</summary>
    private async Task<long> ScriptsAsync()
    {
        string stats = (string)(await Redis.ExecuteAsync("INFO", "commandstats"))!;
        return stats.Split('\n')
            .Where(line => line.StartsWith("cmdstat_eval:", StringComparison.Ordinal) || line.StartsWith("cmdstat_evalsha:", StringComparison.Ordinal))
            .Sum(line => long.Parse(line.Split("calls=", 2)[1].Split(',')[0], CultureInfo.InvariantCulture));
    }
}
