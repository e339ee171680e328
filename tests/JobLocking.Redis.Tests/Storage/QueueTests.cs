using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>The queue of a lock, as Redis stores it.</summary>
public sealed class QueueTests(SharedServers servers) : RedisStoreTests
{
    protected override ValueTask<string> ConnectionStringAsync() => new(servers.Redis.ConnectionString);

    [Fact]
    public async Task A_waiter_is_readable_in_Redis()
    {
        await GrantedAsync();
        AcquireRequest queued = await QueuedAsync(WaiterRequest(node: "Büro <3>"));

        SortedSetEntry entry = Assert.Single(await Redis.SortedSetRangeByRankWithScoresAsync(QueueKey));
        Assert.Equal((queued.Waiter!.Id, (double)queued.Waiter.Since), ((string?)entry.Element, entry.Score));
        HashEntry waiter = Assert.Single(await Redis.HashGetAllAsync(WaitersKey));
        Assert.Equal(queued.Waiter.Id, (string?)waiter.Name);
        Assert.Matches("""^[0-9]{13}:[A-Za-z0-9_-]{22}:1:\{"app":"billing","node":"Büro <3>",.*\}$""", (string?)waiter.Value);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Every_key_has_a_time_to_live_and_nothing_is_left_when_all_is_done(int limit)
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Shared(limit))];
        await Task.WhenAll(leases.Select(GrantedAsync));
        AcquireRequest queued = await QueuedAsync(WaiterRequest(limit));
        await RenewedAsync(leases[0]);
        await PolledAsync(queued);

        string[] keys = await KeysAsync();
        Assert.Equal(limit == 1 ? 4 : 6, keys.Length);
        foreach (string key in keys)
        {
            Assert.NotNull(await Redis.KeyTimeToLiveAsync(key));
        }

        foreach (AcquireRequest lease in leases)
        {
            await ReleasedAsync(lease);
        }

        await LeavesAsync(queued);
        Assert.Equal([FenceKey], await KeysAsync());
    }

    /// <summary>As another script can do where scripts interleave, or the expiry of the key where scripts do not hold it back.</summary>
    [Fact]
    public async Task A_queue_that_expires_while_a_waiter_is_queued_leaves_nothing_that_would_block_it()
    {
        await GrantedAsync();
        ScriptCall asked = ScriptCalls.Acquire(new LockKeys("task_lock:"), WaiterRequest(), "process", "{}"u8.ToArray());
        const string EndsIt = """
            local redis = setmetatable({ pcall = function(command, ...)
              local reply = redis.pcall(command, ...)
              if command == 'HSET' then
                redis.call('DEL', KEYS[3])
              end
              return reply
            end }, { __index = redis })

            """;
        RedisResult answer = await Redis.ScriptEvaluateAsync(EndsIt + asked.Script.Text, asked.Keys, asked.Values);

        Assert.Equal(["contended", "0"], ((string[])answer!)[..2]);
        Assert.False(await Redis.KeyExistsAsync(WaitersKey));
        await QueuedAsync(WaiterRequest());
    }

    [Fact]
    public async Task The_queue_lives_as_long_as_the_waiter_that_lapses_last()
    {
        await GrantedAsync();
        await QueuedAsync(WaiterRequest(lapsesAfter: TimeSpan.FromMinutes(10)));
        await QueuedAsync(WaiterRequest(lapsesAfter: TimeSpan.FromMinutes(1)));

        foreach (string key in new[] { QueueKey, WaitersKey })
        {
            Assert.InRange((await Redis.KeyTimeToLiveAsync(key))!.Value, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(10));
        }

        await QueuedAsync(WaiterRequest(lapsesAfter: TimeSpan.FromMinutes(20)));

        foreach (string key in new[] { QueueKey, WaitersKey })
        {
            Assert.InRange((await Redis.KeyTimeToLiveAsync(key))!.Value, TimeSpan.FromMinutes(19), TimeSpan.FromMinutes(20));
        }
    }

    [Fact]
    public async Task A_queue_outlives_a_waiter_that_is_queued_again_for_a_shorter_time()
    {
        await GrantedAsync();
        AcquireRequest queued = await QueuedAsync(WaiterRequest(lapsesAfter: TimeSpan.FromMinutes(10)));

        await QueuedAsync(queued with { Waiter = queued.Waiter! with { LapsesAfter = TimeSpan.FromSeconds(1) } });

        Assert.InRange((await Redis.KeyTimeToLiveAsync(QueueKey))!.Value, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task A_new_waiter_is_behind_one_that_was_queued_by_a_clock_that_ran_ahead()
    {
        await GrantedAsync();
        AcquireRequest ahead = WaiterRequest();
        long tomorrow = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch + TimeSpan.FromDays(1)).Ticks / TimeSpan.TicksPerMicrosecond;
        await QueuedAsync(ahead with { Waiter = ahead.Waiter! with { Since = tomorrow } });

        Assert.Equal(tomorrow + 1, (await QueuedAsync(WaiterRequest())).Waiter!.Since);
    }

    [Fact]
    public async Task A_hundred_thousand_wait_for_a_lock_and_no_newcomer_is_queued_until_some_have_lapsed()
    {
        await GrantedAsync();
        AcquireRequest last = await QueuedAsync(WaiterRequest());
        await FillAsync(99_999, lapseMs: 9_999_999_999_999);

        Assert.Equal((AcquireOutcome.Contended, 0), await OutcomeAsync(WaiterRequest()));
        Assert.Equal((AcquireOutcome.Contended, last.Waiter!.Since), await OutcomeAsync(last));
        Assert.Equal(100_000, await Redis.SortedSetLengthAsync(QueueKey));

        await FillAsync(150, lapseMs: 1);
        Assert.True((await OutcomeAsync(WaiterRequest())).Since > 0);
        Assert.Equal(99_901, await Redis.SortedSetLengthAsync(QueueKey));
        Assert.Equal(99_901, await Redis.HashLengthAsync(WaitersKey));
    }

    [Fact]
    public async Task Waiters_that_found_the_queue_full_are_queued_by_a_poll_before_any_newcomer_up_to_a_second_bound()
    {
        await GrantedAsync();
        AcquireRequest polled = await QueuedAsync(WaiterRequest());
        await FillAsync(99_999, lapseMs: 9_999_999_999_999);
        AcquireRequest[] full = [WaiterRequest(), WaiterRequest()];
        foreach (AcquireRequest one in full)
        {
            Assert.Equal((AcquireOutcome.Contended, 0), await OutcomeAsync(one));
        }

        PollResult poll = await Store.PollAsync(
            new PollRequest(Name, 1, polled.Waiter!, polled.Holder, Others: [.. full.Select(one => new OtherWaiter(one.Waiter!, 1, one.Holder))]), Cancellation);

        Assert.All(poll.Others!, since => Assert.True(since > polled.Waiter!.Since));
        Assert.Equal((AcquireOutcome.Contended, 0), await OutcomeAsync(WaiterRequest()));
        await FillAsync(9_998, lapseMs: 9_999_999_999_999, from: 100_000);
        Assert.Equal(110_000, await Redis.SortedSetLengthAsync(QueueKey));
        Assert.Equal(0, (await PolledAsync(WaiterRequest())).QueuedSince);
        Assert.Equal(poll.Others![1], (await PolledAsync(full[1])).QueuedSince);
    }

    [Theory]
    [InlineData("anything")]
    [InlineData("soon:id")]
    [InlineData("9999999999999999999:id")]
    [InlineData("1:")]
    public async Task Whatever_a_foreign_client_writes_as_last_wake_up_the_lock_is_granted_released_and_polled(string woken)
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest[] queued = [await QueuedAsync(WaiterRequest()), await QueuedAsync(WaiterRequest())];
        await Redis.HashSetAsync(WaitersKey, "woken", woken);

        Assert.False((await PolledAsync(queued[1])).IsFree);
        await Redis.KeyDeleteAsync(LockKey);
        Assert.False((await PolledAsync(queued[1])).IsFree);
        await notifications.WakeUpAsync(queued[0]);
        await GrantedAsync(queued[0]);
        await Redis.HashSetAsync(WaitersKey, "woken", woken);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(queued[0]));
        await notifications.WakeUpAsync(queued[1]);
        Assert.False(await Redis.KeyExistsAsync(QueueKey));
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task The_record_of_a_wake_up_lives_no_longer_than_the_queue()
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest[] queued = [await QueuedAsync(WaiterRequest()), await QueuedAsync(WaiterRequest())];
        await ReleasedAsync(lease);
        await notifications.WakeUpAsync(queued[0]);

        Assert.Equal(queued[0].Waiter!.Id, ((string)(await Redis.HashGetAsync(WaitersKey, "woken"))!).Split(':')[1]);
        Assert.InRange((await Redis.KeyTimeToLiveAsync(WaitersKey))!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(1));

        await GrantedAsync(queued[0]);
        Assert.False(await Redis.HashExistsAsync(WaitersKey, "woken"));
        await LeavesAsync(queued[1]);
        Assert.False(await Redis.KeyExistsAsync(WaitersKey));
    }

    [Fact]
    public async Task The_wake_up_of_a_process_that_died_goes_to_the_next()
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        AcquireRequest lease = await GrantedAsync();
        RedisLockStore dying = CreateStore(servers.Redis.ConnectionString);
        AcquireRequest living;
        AcquireRequest dead = default;
        await using (await dying.SubscribeAsync(_ => { }, Cancellation))
        {
            for (int i = 0; i < 5; i++)
            {
                dead = await QueuedAsync(WaiterRequest(), dying);
            }

            living = await QueuedAsync(WaiterRequest());
            await dying.DisposeAsync();
        }

        string process = ((string)(await Redis.HashGetAsync(WaitersKey, dead.Waiter!.Id))!).Split(':')[1];
        await Eventually.IsTrueAsync(async () => (long)((RedisResult[])(await Redis.ExecuteAsync("PUBSUB", "NUMSUB", $"task_lock:process:{process}"))!)[1] == 0);
        await ReleasedAsync(lease);

        await notifications.WakeUpAsync(living);
        Assert.False(await Redis.KeyExistsAsync(QueueKey));
        Assert.False(await Redis.KeyExistsAsync(WaitersKey));
    }

    [Fact]
    public async Task A_release_notifies_a_hundred_waiters_without_a_listener_and_leaves_the_others_queued()
    {
        AcquireRequest lease = await GrantedAsync();
        await Task.WhenAll(Enumerable.Range(0, 120).Select(_ => QueuedAsync(WaiterRequest())));

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));

        Assert.Equal(20, await Redis.SortedSetLengthAsync(QueueKey));
        Assert.Equal(20, await Redis.HashLengthAsync(WaitersKey));
    }

    [Fact]
    public async Task In_a_cluster_where_listeners_cannot_be_counted_one_waiter_is_notified_without_a_listener()
    {
        await using RedisLockStore store = CreateStore(servers.Cluster.ConnectionString);
        await using ConnectionMultiplexer cluster = await ConnectionMultiplexer.ConnectAsync(servers.Cluster.ConnectionString);
        AcquireRequest lease = LockRequests.Acquire(Name);
        await store.AcquireAsync(lease, Cancellation);
        AcquireRequest lapsed = await QueuedAsync(WaiterRequest(), store);
        await cluster.GetDatabase().HashSetAsync(WaitersKey, lapsed.Waiter!.Id, "1:process:1:{}");
        await QueuedAsync(WaiterRequest(), store);
        await QueuedAsync(WaiterRequest(), store);

        await store.ReleaseAsync(LockRequests.Release(lease), Cancellation);

        Assert.Equal(1, await cluster.GetDatabase().SortedSetLengthAsync(QueueKey));
    }

    [Theory]
    [InlineData("")]
    [InlineData("wake")]
    [InlineData("wake::0:task_lock:x")]
    [InlineData("wake:id:-1:task_lock:x")]
    [InlineData("wake:id:soon:task_lock:x")]
    [InlineData("wake:id:0:another_lock:x")]
    [InlineData("broken:")]
    [InlineData("broken:a:b:c")]
    [InlineData("anything")]
    public async Task A_message_that_a_foreign_client_publishes_to_a_process_is_no_notification(string message)
    {
        List<LockNotification> heard = [];
        await using IAsyncDisposable listening = await Store.SubscribeAsync(heard.Add, Cancellation);
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;
        string process = ((string)(await Redis.StringGetAsync(LockKey))!).Split(':')[2];

        await Redis.PublishAsync(RedisChannel.Literal($"task_lock:process:{process}"), message);
        await Store.BreakAsync(Name, token, Cancellation);

        await Eventually.IsTrueAsync(() => heard.Count > 0);
        Assert.Equal([new LockNotification.Broken(lease.LeaseId)], heard);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_release_and_an_acquire_at_the_same_time_never_miss_each_other(int limit)
    {
        await using RedisLockStore other = CreateStore(servers.Redis.ConnectionString);
        await using Notifications notifications = await Notifications.OfAsync(other);
        int wasQueued = 0;
        int rounds = 0;

        // Which of the two is first is random: repeated until each was first.
        for (; rounds < 1500 || (rounds < 15_000 && (wasQueued == 0 || wasQueued == rounds)); rounds++)
        {
            string name = $"{Name}:{rounds % 10}";
            AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Shared(limit) with { Name = name })];
            await Task.WhenAll(leases.Select(GrantedAsync));
            AcquireRequest asks = WaiterRequest(limit) with { Name = name };

            Task<AcquireResult> asked = other.AcquireAsync(asks, Cancellation).AsTask();
            await Task.WhenAll(leases.Select(lease => ReleasedAsync(lease)));
            if ((await asked).Outcome == AcquireOutcome.Contended)
            {
                wasQueued++;
                await notifications.WakeUpAsync(asks);
                Assert.Equal(AcquireOutcome.Granted, (await other.AcquireAsync(asks, Cancellation)).Outcome);
            }

            Assert.Equal(0, await Redis.SortedSetLengthAsync($"{{task_lock:{name}}}:queue"));
            await other.ReleaseAsync(LockRequests.Release(asks), Cancellation);
        }

        Assert.InRange(wasQueued, 1, rounds - 1);
    }

    private async Task<(AcquireOutcome Outcome, long Since)> OutcomeAsync(AcquireRequest request)
    {
        AcquireResult result = await AskAsync(request);
        return (result.Outcome, result.QueuedSince);
    }

    // The oldest: since the beginning of time.
    private Task<RedisResult> FillAsync(int count, long lapseMs, int from = 1) => Redis.ScriptEvaluateAsync(
        "for i = ARGV[3], ARGV[3] + ARGV[1] - 1 do redis.call('ZADD', KEYS[1], i, 'id' .. i); redis.call('HSET', KEYS[2], 'id' .. i, ARGV[2] .. ':process:1:{}') end",
        [QueueKey, WaitersKey],
        [count, lapseMs.ToString(CultureInfo.InvariantCulture), from]);

    private async Task<string[]> KeysAsync()
    {
        string[] keys = [LockKey, FenceKey, QueueKey, WaitersKey, HoldersKey, LimitsKey];
        List<string> there = [];
        foreach (string key in keys)
        {
            if (await Redis.KeyExistsAsync(key))
            {
                there.Add(key);
            }
        }

        return [.. there];
    }
}
