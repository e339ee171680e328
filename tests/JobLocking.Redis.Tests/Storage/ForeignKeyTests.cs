using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>Foreign values under the derived keys of a lock: no lock is granted over them, no call fails because of them, they stay as they are.</summary>
public abstract class ForeignKeyTests(string connectionString) : RedisStoreTests
{
    public static TheoryData<string, RedisType> Keys =>
        new MatrixTheoryData<string, RedisType>(
            ["queue", "waiters", "holders", "limits"], [RedisType.String, RedisType.Hash, RedisType.SortedSet, RedisType.List]);

    public static TheoryData<RedisType> Types => [RedisType.String, RedisType.Hash, RedisType.SortedSet, RedisType.List];

    protected override ValueTask<string> ConnectionStringAsync() => new(connectionString);

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task A_lock_without_a_limit_is_acquired_and_released_whatever_its_derived_keys_hold(string derived, RedisType type)
    {
        await PutAsync(KeyBeside(derived), type);
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest refused = WaiterRequest();

        AcquireResult result = await AskAsync(refused);

        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.Equal(derived is "holders" or "limits", result.QueuedSince > 0);
        Assert.Equal(result.QueuedSince, (await PolledAsync(refused)).QueuedSince);
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        Assert.Equal(lease.Holder, Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation)).Holder);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
        await LeavesAsync(refused);
        await GrantedAsync(refused);
        await AssertUntouchedAsync(KeyBeside(derived), type);
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task A_lock_with_a_limit_is_not_granted_if_foreign_keys_replace_its_holders(string derived, RedisType type)
    {
        await PutAsync(KeyBeside(derived), type);
        bool isInTheWay = derived is "holders" or "limits";
        AcquireRequest asks = WaiterRequest(2);

        AcquireResult result = await AskAsync(asks);

        Assert.Equal(isInTheWay ? AcquireOutcome.Contended : AcquireOutcome.Granted, result.Outcome);
        Assert.Equal((null, null), (result.Holder, result.TimeLeft));
        Assert.Equal(!isInTheWay, await Redis.KeyExistsAsync(LockKey));
        Assert.Equal(isInTheWay, result.QueuedSince > 0);
        Assert.Equal(!isInTheWay, (await PolledAsync(asks with { LeaseId = "another" })).IsFree);
        Assert.Equal(isInTheWay ? RenewOutcome.Missing : RenewOutcome.Renewed, await RenewedAsync(asks));
        Assert.Equal(isInTheWay ? ReleaseOutcome.Missing : ReleaseOutcome.Released, await ReleasedAsync(asks));
        await AssertUntouchedAsync(KeyBeside(derived), type);
    }

    [Theory]
    [InlineData("holders")]
    [InlineData("limits")]
    public async Task Foreign_values_under_the_derived_keys_of_a_held_lock_with_a_limit_make_it_contended(string derived)
    {
        AcquireRequest lease = await GrantedAsync(Shared(2));
        await Redis.KeyDeleteAsync(KeyBeside(derived));
        await Redis.StringSetAsync(KeyBeside(derived), "1");

        Assert.Equal(AcquireOutcome.Contended, (await AskAsync(WaiterRequest(2))).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskAsync(WaiterRequest(1))).Outcome);
        Assert.False((await PolledAsync(WaiterRequest(2))).IsFree);
        Assert.Equal(derived == "limits" ? RenewOutcome.Renewed : RenewOutcome.NotYours, await RenewedAsync(lease));
        Assert.Equal(derived == "limits" ? ReleaseOutcome.Released : ReleaseOutcome.NotYours, await ReleasedAsync(lease));
        Assert.NotNull(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public async Task A_foreign_key_in_place_of_the_lock_is_contention_for_every_limit(RedisType type)
    {
        await PutAsync(LockKey, type);

        foreach (int limit in new[] { 1, 2 })
        {
            AcquireRequest asks = WaiterRequest(limit);
            AcquireResult result = await AskAsync(asks);

            Assert.Equal((AcquireOutcome.Contended, null, null, null), (result.Outcome, result.Holder, result.TimeLeft, result.Others));
            Assert.True(result.QueuedSince > 0);
            PollResult poll = await PolledAsync(asks);
            Assert.Equal((false, null), (poll.IsFree, poll.TimeLeft));
            Assert.Equal(limit == 2 && type == RedisType.SortedSet ? RenewOutcome.Missing : RenewOutcome.NotYours, await RenewedAsync(asks));
            Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(asks));
            Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(asks, keepFor: TimeSpan.FromMinutes(1)));
            await LeavesAsync(asks);
            Assert.False(await Store.BreakAsync(Name, 1, Cancellation));
        }

        HeldLock listed = Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        Assert.Equal((Name, null, null, null, false), (listed.Name, listed.Holder, listed.FencingToken, listed.TimeLeft, listed.IsKept));
        await AssertUntouchedAsync(LockKey, type);
    }

    [Theory]
    [InlineData(1, RedisType.String)]
    [InlineData(1, RedisType.Hash)]
    [InlineData(1, RedisType.SortedSet)]
    [InlineData(2, RedisType.List)]
    [InlineData(2, RedisType.String)]
    public async Task A_deferral_is_not_refused_because_of_a_foreign_value_under_its_mark(int limit, RedisType type)
    {
        string deferral = LockRequests.LeaseId();
        await PutAsync(KeyBeside($"spent:{deferral}"), type);
        AcquireRequest Asks() => Shared(limit) with { Waiter = new WaiterEntry(deferral, TimeSpan.FromMinutes(1), 0, deferral, TimeSpan.FromMinutes(1)) };

        await GrantedAsync(Asks());

        Assert.Equal(AcquireOutcome.DeferralSpent, (await AskAsync(Asks())).Outcome);
        Assert.NotNull(await Redis.KeyTimeToLiveAsync(KeyBeside($"spent:{deferral}")));
    }

    [Fact]
    public async Task A_member_that_a_foreign_client_has_added_is_an_unknown_holder()
    {
        await GrantedAsync(Shared(3));
        await Redis.SortedSetAddAsync(LockKey, "stranger", 9_999_999_999_999);

        await GrantedAsync(Shared(3));
        AcquireResult result = await AskAsync(Shared(3));

        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.Equal(2, result.Others!.Count);
        Assert.Null(result.Others[1]);
    }

    [Theory]
    [InlineData("1e300")]
    [InlineData("inf")]
    [InlineData("9300000000000000000")]
    [InlineData("9007199254740992")]
    public async Task Behind_a_foreign_member_with_the_highest_score_no_waiter_is_queued_and_nothing_fails(string score)
    {
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest queued = await QueuedAsync(WaiterRequest());
        await Redis.ExecuteAsync("ZADD", QueueKey, score, "stranger");

        AcquireRequest refused = WaiterRequest();
        AcquireResult result = await AskAsync(refused);

        Assert.Equal((AcquireOutcome.Contended, 0), (result.Outcome, result.QueuedSince));
        Assert.Equal(0, (await PolledAsync(refused)).QueuedSince);
        Assert.Equal(queued.Waiter!.Since, (await PolledAsync(queued)).QueuedSince);
        Assert.Equal(queued.Holder, Assert.Single(Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation)).Waiters).Description);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
    }

    [Theory]
    [InlineData("1e300")]
    [InlineData("inf")]
    [InlineData("-inf")]
    [InlineData("-5")]
    [InlineData("9300000000000000000")]
    public async Task A_waiter_whose_score_a_foreign_client_has_changed_to_no_time_is_not_queued(string score)
    {
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest queued = await QueuedAsync(WaiterRequest());
        await Redis.ExecuteAsync("ZADD", QueueKey, score, queued.Waiter!.Id);

        AcquireResult result = await AskAsync(queued);

        Assert.Equal((AcquireOutcome.Contended, 0), (result.Outcome, result.QueuedSince));
        Assert.Equal(0, (await PolledAsync(queued)).QueuedSince);
        Assert.Empty(Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation)).Waiters);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
    }

    private async Task PutAsync(string key, RedisType type)
    {
        Task put = type switch
        {
            RedisType.String => Redis.StringSetAsync(key, "1"),
            RedisType.Hash => Redis.HashSetAsync(key, "field", "1"),
            RedisType.SortedSet => Redis.SortedSetAddAsync(key, "member", 1),
            _ => Redis.ListRightPushAsync(key, "item"),
        };
        await put;
    }

    private async Task AssertUntouchedAsync(string key, RedisType type)
    {
        Assert.Equal(type, await Redis.KeyTypeAsync(key));
        Assert.Null(await Redis.KeyTimeToLiveAsync(key));
        string?[] content = type switch
        {
            RedisType.String => ["item", (string?)await Redis.StringGetAsync(key)],
            RedisType.Hash => [.. (await Redis.HashGetAllAsync(key)).SelectMany(entry => new[] { (string?)entry.Name, (string?)entry.Value })],
            RedisType.SortedSet => [.. (await Redis.SortedSetRangeByRankWithScoresAsync(key)).SelectMany(entry => new[] { (string?)entry.Element, $"{entry.Score}" })],
            _ => [.. (await Redis.ListRangeAsync(key)).Select(item => (string?)item), "1"],
        };
        Assert.Equal(type switch { RedisType.Hash => ["field", "1"], RedisType.SortedSet => ["member", "1"], _ => ["item", "1"] }, content);
    }
}

public sealed class ForeignKeyTestsOnRedis(SharedServers servers) : ForeignKeyTests(servers.Redis.ConnectionString);

public sealed class ForeignKeyTestsOnGarnet(SharedServers servers) : ForeignKeyTests(servers.Embedded.ConnectionString);
