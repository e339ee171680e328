using System.Collections.Concurrent;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>What a client with write access to our keys and channels can do, and what it cannot: docs/security.md says the same.</summary>
public sealed class ForgedValueTests(SharedServers servers) : RedisStoreTests
{
    private const string Forged = """{"app":"a","node":"n","scheduler":"s","since":"2026-03-01T12:00:00+00:00"}""";

    private static readonly string Huge = Forged.Replace("\"a\"", $"\"{new string('a', 1_000_000)}\"", StringComparison.Ordinal);

    protected override ValueTask<string> ConnectionStringAsync() => new(servers.Redis.ConnectionString);

    [Fact]
    public async Task A_forged_lease_takes_the_lock_and_its_holder_is_notified()
    {
        AcquireRequest lease = await GrantedAsync();
        await Redis.StringSetAsync(LockKey, $"forged:1:process:{Forged}", TimeSpan.FromMinutes(1));

        Assert.Equal(RenewOutcome.NotYours, await RenewedAsync(lease));
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lease));
        Assert.Equal("a", (await AskAsync(LockRequests.Acquire(Name))).Holder!.Application);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("__keyspace@0__")]
    [InlineData("\0\r\nPUBLISH other 1")]
    public async Task A_forged_process_is_notified_of_a_break_only_on_its_own_channel(string process)
    {
        ConcurrentQueue<string> heard = new();
        await using ConnectionMultiplexer client = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);
        await client.GetSubscriber().SubscribeAsync(RedisChannel.Literal("other"), (channel, _) => heard.Enqueue((string)channel!));
        await client.GetSubscriber().SubscribeAsync(RedisChannel.Literal($"task_lock:process:{process}"), (channel, _) => heard.Enqueue((string)channel!));
        await Redis.StringSetAsync(LockKey, $"forged:7:{process}:{Forged}");

        Assert.True(await Store.BreakAsync(Name, 7, Cancellation));

        await Eventually.IsTrueAsync(() => !heard.IsEmpty);
        Assert.Equal([$"task_lock:process:{process}"], heard);
    }

    [Fact]
    public async Task Forged_notifications_neither_end_the_subscription_nor_pass_for_more_than_they_are()
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;
        string process = ((string)(await Redis.StringGetAsync(LockKey))!).Split(':')[2];
        string[] nothing =
        [
            "", ":", "broken", "broken:", "wake", "wake:", "wake:id", "wake:id:0", "wake::0:" + LockKey, "wake:id:-1:" + LockKey, "wake:id:1.5:" + LockKey,
            "wake:id:0:other:key", "wake:id:9223372036854775807:" + LockKey, "wake:id:99999999999999999999:" + LockKey, "wake:id:900000000000000:" + LockKey, "other:id", "ping", new string('a', 1_000_000),
        ];
        foreach (string notification in nothing)
        {
            await Redis.PublishAsync(RedisChannel.Literal($"task_lock:process:{process}"), notification);
        }

        Assert.True(await Store.BreakAsync(Name, token, Cancellation));

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Broken(lease.LeaseId)));
        Assert.Single(notifications);
    }

    [Fact]
    public async Task A_forged_queue_entry_does_not_keep_the_wake_up_from_the_next_waiter()
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest lease = await GrantedAsync();
        AcquireRequest waits = await QueuedAsync(WaiterRequest());
        foreach (string waiter in new[] { "", ":::", "99999999999999:nobody:1:" + Forged, "99999999999999:*:1:", "99999999999999:nobody:1:" + Huge })
        {
            string id = $"x:0:{Guid.NewGuid()}";
            await Redis.SortedSetAddAsync(QueueKey, id, 1);
            await Redis.HashSetAsync(WaitersKey, id, waiter);
        }

        HeldLock listed = Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        Assert.Equal(2, listed.Waiters.Count);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.WakeUp(Name, waits.Waiter!.Id, TimeSpan.Zero)));
        Assert.False(await Redis.KeyExistsAsync(QueueKey));
    }

    [Fact]
    public async Task A_fence_that_is_moved_back_does_not_move_the_tokens_back()
    {
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;
        await ReleasedAsync(lease);
        await Redis.StringSetAsync(FenceKey, "1");

        Assert.True((await AskAsync(LockRequests.Acquire(Name))).FencingToken > token);
    }
}
