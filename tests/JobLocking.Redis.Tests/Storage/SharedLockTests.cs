using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>Locks with a limit above 1, as Redis stores them.</summary>
public sealed class SharedLockTests(SharedServers servers) : RedisStoreTests
{
    protected override ValueTask<string> ConnectionStringAsync() => new(servers.Redis.ConnectionString);

    [Fact]
    public async Task The_holder_of_a_lock_with_a_limit_is_readable()
    {
        AcquireRequest lease = Shared(3);
        AcquireResult granted = await AskAsync(lease);

        SortedSetEntry entry = Assert.Single(await Redis.SortedSetRangeByRankWithScoresAsync(LockKey));
        Assert.Equal(lease.LeaseId, (string?)entry.Element);
        Assert.InRange(
            DateTimeOffset.FromUnixTimeMilliseconds((long)entry.Score), DateTimeOffset.UtcNow + TimeSpan.FromSeconds(50), DateTimeOffset.UtcNow + TimeSpan.FromSeconds(61));
        HashEntry holder = Assert.Single(await Redis.HashGetAllAsync(HoldersKey));
        Assert.Equal(lease.LeaseId, (string?)holder.Name);
        Assert.StartsWith($"{lease.LeaseId}:{granted.FencingToken}:", (string?)holder.Value, StringComparison.Ordinal);
        Assert.Equal(3, await Redis.SortedSetScoreAsync(LimitsKey, lease.LeaseId));
        Assert.Equal($"{granted.FencingToken}", (string?)await Redis.StringGetAsync(FenceKey));
    }

    [Fact]
    public async Task A_kept_slot_says_so_and_names_no_lease()
    {
        AcquireRequest lease = Shared(3);
        long token = (await AskAsync(lease)).FencingToken;

        await ReleasedAsync(lease, keepFor: TimeSpan.FromMinutes(1));

        string value = (string)(await Redis.HashGetAsync(HoldersKey, lease.LeaseId))!;
        Assert.StartsWith($$"""kept:{{token}}::{"app":"billing",""", value, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Its_keys_live_as_long_as_the_lease_that_ends_last()
    {
        AcquireRequest brief = await GrantedAsync(Shared(3, TimeSpan.FromMinutes(1)));
        AcquireRequest lengthy = await GrantedAsync(Shared(3, TimeSpan.FromMinutes(10)));
        await AssertLifetimeAsync(9, 10);

        await RenewedAsync(brief);
        await AssertLifetimeAsync(9, 10);

        await ReleasedAsync(lengthy);
        await AssertLifetimeAsync(0, 1);

        await Store.RenewAsync(new[] { LockRequests.Renew(brief, TimeSpan.FromMinutes(5)) }, new RenewOutcome[1], Cancellation);
        await AssertLifetimeAsync(4, 5);

        await ReleasedAsync(brief, keepFor: TimeSpan.FromMinutes(2));
        await AssertLifetimeAsync(1, 2);
    }

    [Fact]
    public async Task The_derived_keys_of_a_lock_that_an_operator_has_deleted_are_ignored()
    {
        AcquireRequest lost = await GrantedAsync(Shared(2));
        await GrantedAsync(Shared(2));

        await Redis.KeyDeleteAsync(LockKey);

        Assert.Equal(RenewOutcome.Missing, await RenewedAsync(lost));
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lost));
        foreach (int _ in Enumerable.Range(0, 4))
        {
            await GrantedAsync(Shared(4));
        }

        Assert.Equal(AcquireOutcome.Contended, (await AskAsync(Shared(4))).Outcome);
        Assert.Equal(4, await Redis.HashLengthAsync(HoldersKey));
        Assert.Equal(4, await Redis.SortedSetLengthAsync(LimitsKey));
    }

    [Fact]
    public async Task Slots_of_dead_holders_are_cleared_for_the_next_acquire()
    {
        await GrantedAsync(Shared(1001));
        await AddDeadAsync(1000);

        await GrantedAsync(Shared(2));

        Assert.Equal(2, await Redis.SortedSetLengthAsync(LockKey));
        Assert.Equal(2, await Redis.HashLengthAsync(HoldersKey));
        Assert.Equal(2, await Redis.SortedSetLengthAsync(LimitsKey));
    }

    [Fact]
    public async Task A_slot_that_is_kept_for_less_time_than_the_release_takes_leaves_nothing_behind()
    {
        AcquireRequest lease = await GrantedAsync(Shared(2));
        await AddDeadAsync(20_000);

        await ReleasedAsync(lease, keepFor: TimeSpan.FromMilliseconds(1));

        Assert.NotEqual(-1, (long)await Redis.ExecuteAsync("PTTL", HoldersKey));
        await Eventually.SeesAsync(() => AskAsync(Shared(2)), result => result.Outcome == AcquireOutcome.Granted);
    }

    private Task<RedisResult> AddDeadAsync(int count) => Redis.ScriptEvaluateAsync(
        "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], i, 'dead' .. i); redis.call('HSET', KEYS[2], 'dead' .. i, ''); redis.call('ZADD', KEYS[3], 1001, 'dead' .. i) end",
        [LockKey, HoldersKey, LimitsKey],
        [count]);

    private async Task AssertLifetimeAsync(int above, int atMost)
    {
        foreach (string key in new[] { LockKey, HoldersKey, LimitsKey })
        {
            TimeSpan left = (await Redis.KeyTimeToLiveAsync(key))!.Value;
            Assert.InRange(left, TimeSpan.FromMinutes(above), TimeSpan.FromMinutes(atMost));
        }
    }
}
