using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

public sealed partial class ListTests(SharedServers servers) : OwnServerTests
{
    [Fact]
    public async Task Keys_that_are_no_locks_cost_one_pass_over_them()
    {
        await Redis.ScriptEvaluateAsync("for i = 1, 20000 do redis.call('SET', 'foreign:' .. i, '1') end");
        await GrantedAsync();
        await Redis.Multiplexer.GetServer(Server.Endpoint).ExecuteAsync("CONFIG", "RESETSTAT");

        Assert.Single(await Store.ListAsync(null, Cancellation).ToListAsync(Cancellation));

        string scans = Scans().Match((string)(await Redis.ExecuteAsync("INFO", "commandstats"))!).Groups[1].Value;
        Assert.InRange(int.Parse(scans, CultureInfo.InvariantCulture), 1, 25);
    }

    [Fact]
    public async Task Keys_that_no_lock_has_do_not_keep_the_locks_of_a_cluster_from_being_listed()
    {
        await using ConnectionMultiplexer stranger = await ConnectionMultiplexer.ConnectAsync(servers.Cluster.ConnectionString);
        await using RedisLockStore store = CreateStore(servers.Cluster.ConnectionString);
        await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation);
        foreach (RedisKey key in new RedisKey[] { $"{LockKey}{{of}}:another", $"{LockKey}}}", (byte[])[.. Encoding.UTF8.GetBytes(LockKey), 0xff] })
        {
            await stranger.GetDatabase().StringSetAsync(key, "1", TimeSpan.FromMinutes(1));
        }

        HeldLock listed = Assert.Single(await store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        Assert.Equal(Name, listed.Name);
    }

    [GeneratedRegex("cmdstat_scan:calls=([0-9]+)")]
    private static partial Regex Scans();
}
