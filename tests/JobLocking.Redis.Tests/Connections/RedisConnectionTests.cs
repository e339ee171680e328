using System.Collections.Concurrent;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

public sealed class RedisConnectionTests : OwnServerTests
{
    private string Impatient => $"{Server.ConnectionString},connectTimeout=300,asyncTimeout=300,connectRetry=1";

    [Fact]
    public async Task A_Redis_that_is_down_at_start_is_found_when_it_comes_up()
    {
        await Server.KillAsync();
        await using RedisLockStore store = CreateStore(Impatient);

        // All at the same time: each waits for its own time-out.
        RenewOutcome[] outcomes = [RenewOutcome.Renewed];
        LockStoreException[] errors = await Task.WhenAll(
            FailsAsync(async () => await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation)),
            FailsAsync(async () => await store.RenewAsync(new[] { LockRequests.Renew(LockRequests.Acquire(Name)) }, outcomes, Cancellation)),
            FailsAsync(async () => await store.ReleaseAsync(LockRequests.Release(LockRequests.Acquire(Name)), Cancellation)),
            FailsAsync(async () => await store.BreakAsync(Name, 1, Cancellation)),
            FailsAsync(async () => await store.CheckAsync(Cancellation)),
            FailsAsync(async () => await store.ListAsync(null, Cancellation).ToListAsync(Cancellation)));
        Assert.All(errors, error => Assert.False(error.MayHaveBeenApplied));
        Assert.Equal(RenewOutcome.Transient, outcomes[0]);

        await Server.RestartAsync();

        await Eventually.IsTrueAsync(async () => (await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation)).Outcome == AcquireOutcome.Granted);
    }

    [Fact]
    public async Task Subscribing_fails_while_Redis_is_down_and_leaves_nothing_behind()
    {
        await Server.KillAsync();
        await using RedisLockStore store = CreateStore(Impatient);
        ConcurrentQueue<LockNotification> ignored = new();
        await Assert.ThrowsAsync<LockStoreException>(async () => await store.SubscribeAsync(ignored.Enqueue, Cancellation));
        await Server.RestartAsync();

        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Eventually.SeesAsync<IAsyncDisposable>(
            async () => await store.SubscribeAsync(notifications.Enqueue, Cancellation), listening => listening is not null);
        await BreakAndHearAsync(store, notifications);

        Assert.Empty(ignored);
    }

    [Fact]
    public async Task When_the_connection_is_back_the_process_is_notified_of_that_and_of_breaks_again()
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(notifications.Enqueue, Cancellation);

        await Server.RestartAsync();

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Reconnected()));
        await BreakAndHearAsync(Store, notifications);
    }

    [Theory]
    [InlineData("pubsub")]
    [InlineData("normal")]
    public async Task The_return_of_one_of_two_connections_is_reported(string type)
    {
        await using RedisLockStore store = CreateStore($"{Server.ConnectionString},protocol=resp2");
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await store.SubscribeAsync(notifications.Enqueue, Cancellation);

        await Redis.ExecuteAsync("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Reconnected()));
    }

    [Fact]
    public async Task A_frozen_Redis_does_not_hold_up_a_process_that_unsubscribes()
    {
        await using RedisLockStore store = CreateStore($"{Server.ConnectionString},asyncTimeout=60000,syncTimeout=60000");
        IAsyncDisposable listening = await store.SubscribeAsync(_ => { }, Cancellation);

        Server.Pause();
        try
        {
            await listening.DisposeAsync().AsTask().WaitAsync(Eventually.DefaultTimeout, Cancellation);
        }
        finally
        {
            Server.Resume();
        }
    }

    [Fact]
    public async Task The_first_callers_share_one_connection_and_a_factory_that_failed_is_called_again()
    {
        int calls = 0;
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(Server.ConnectionString);
        await using (RedisLockStore store = new(new RedisLockOptions
        {
            ConnectionMultiplexerFactory = async () =>
            {
                await Task.Yield();
                return Interlocked.Increment(ref calls) == 1 ? throw new InvalidOperationException("not yet") : theirs;
            },
        }, TimeProvider.System))
        {
            LockStoreException error = await Assert.ThrowsAsync<LockStoreException>(async () => await store.CheckAsync(Cancellation));
            Assert.False(error.MayHaveBeenApplied);
            Assert.Contains("not yet", error.Message, StringComparison.Ordinal);

            await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => store.CheckAsync(Cancellation).AsTask()));
            Assert.Equal(2, calls);
        }

        Assert.True(await theirs.GetDatabase().PingAsync() > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_caller_that_blocks_its_thread_once_it_has_the_connection_does_not_keep_others_from_it()
    {
        TaskCompletionSource<IConnectionMultiplexer> made = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RedisConnection connection = new(new RedisLockOptions { ConnectionMultiplexerFactory = () => made.Task }, TimeProvider.System);
        await using ConnectionMultiplexer multiplexer = await ConnectionMultiplexer.ConnectAsync(Server.ConnectionString);
        TaskCompletionSource blocks = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ManualResetEventSlim isOver = new();

        // Outside the synchronization context of the test, in which all would continue by themselves.
        (Task first, Task second) = await Task.Run(() => (BlockAsync(), UseAsync()), Cancellation);
        made.SetResult(multiplexer);
        await Task.WhenAny(first, blocks.Task);
        try
        {
            await second.WaitAsync(Eventually.DefaultTimeout, Cancellation);
        }
        finally
        {
            isOver.Set();
            await first;
        }

        async Task BlockAsync()
        {
            await connection.GetAsync(Cancellation);
            blocks.SetResult();
            isOver.Wait();
        }

        async Task UseAsync() => await connection.GetAsync(Cancellation);
    }

    [Fact]
    public async Task Its_own_connection_ends_with_the_store()
    {
        RedisLockStore store = CreateStore($"{Server.ConnectionString},name=to-be-closed");
        await store.CheckAsync(Cancellation);
        await Eventually.SeesAsync(ClientsAsync, clients => clients.Contains("to-be-closed", StringComparison.Ordinal));

        await store.DisposeAsync();
        await store.DisposeAsync();

        await Eventually.SeesAsync(ClientsAsync, clients => !clients.Contains("to-be-closed", StringComparison.Ordinal));
        await Assert.ThrowsAsync<LockStoreException>(async () => await store.CheckAsync(Cancellation));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_prefix_for_channels_in_the_connection_does_not_silence_notifications(bool ofTheirs)
    {
        string connectionString = $"{Server.ConnectionString},channelPrefix=app:";
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(connectionString);
        await using RedisLockStore own = CreateStore(connectionString);
        await using RedisLockStore theirs = new(new RedisLockOptions { ConnectionMultiplexerFactory = () => Task.FromResult<IConnectionMultiplexer>(connection) }, TimeProvider.System);
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await (ofTheirs ? theirs : own).SubscribeAsync(notifications.Enqueue, Cancellation);

        await BreakAndHearAsync(ofTheirs ? theirs : own, notifications, breaker: ofTheirs ? own : theirs);
        await BreakAndHearAsync(ofTheirs ? theirs : own, notifications);

        AcquireRequest lease = LockRequests.Acquire(Name);
        await own.AcquireAsync(lease, Cancellation);
        AcquireRequest waits = await QueuedAsync(WaiterRequest(), ofTheirs ? theirs : own);
        await own.ReleaseAsync(LockRequests.Release(lease), Cancellation);
        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.WakeUp(Name, waits.Waiter!.Id, TimeSpan.Zero)));

        RedisResult[] channels = (RedisResult[])(await Redis.ExecuteAsync("PUBSUB", "CHANNELS", "*process*"))!;
        Assert.StartsWith("app:task_lock:process:", (string?)Assert.Single(channels), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_holder_answers_on_a_connection_with_a_prefix_for_channels()
    {
        string connectionString = $"{Server.ConnectionString},channelPrefix=app:";
        await using RedisLockStore asks = CreateStore(connectionString), holds = CreateStore(connectionString);
        AcquireRequest lease = LockRequests.Acquire(Name) with { AsksWhetherHolderAnswers = true };
        lease = lease with { Holder = lease.Holder with { Identity = "mY3-qk5eR_0aBcDeFgHiJk" } };
        await holds.AcquireAsync(lease, Cancellation);
        await using (await holds.SubscribeAsync(static _ => { }, Cancellation))
        {
            Assert.False((await asks.AcquireAsync(lease with { LeaseId = LockRequests.LeaseId() }, Cancellation)).HolderIsGone);
        }

        Assert.True((await asks.AcquireAsync(lease with { LeaseId = LockRequests.LeaseId() }, Cancellation)).HolderIsGone);
    }

    [Theory]
    [InlineData(",$ECHO=")]
    [InlineData(",$ECHO=,channelPrefix=app:")]
    public async Task Without_the_command_to_ask_for_the_channel_prefix_locks_are_released_and_waiters_are_woken(string options)
    {
        await using RedisLockStore store = CreateStore(Server.ConnectionString + options);
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await store.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest lease = LockRequests.Acquire(Name);
        await store.AcquireAsync(lease, Cancellation);
        AcquireRequest waits = await QueuedAsync(WaiterRequest(), store);

        Assert.Equal(ReleaseOutcome.Released, await store.ReleaseAsync(LockRequests.Release(lease), Cancellation));

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.WakeUp(Name, waits.Waiter!.Id, TimeSpan.Zero)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("app:")]
    public async Task Without_the_right_to_ask_for_the_channel_prefix_locks_are_released_and_waiters_are_woken(string prefix)
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret,channelPrefix={prefix}");
        await using RedisLockStore other = CreateStore($"{Server.ConnectionString},channelPrefix={prefix}");
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await other.SubscribeAsync(notifications.Enqueue, Cancellation);
        AcquireRequest lease = LockRequests.Acquire(Name);
        await worker.AcquireAsync(lease, Cancellation);
        AcquireRequest waits = await QueuedAsync(WaiterRequest(), other);

        // StackExchange.Redis would not have connected without that right.
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "-echo");
        Assert.Equal(ReleaseOutcome.Released, await worker.ReleaseAsync(LockRequests.Release(lease), Cancellation));

        await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.WakeUp(Name, waits.Waiter!.Id, TimeSpan.Zero)));
    }

    [Theory]
    [InlineData("allkeys-lru")]
    [InlineData("volatile-ttl")]
    public async Task A_policy_that_may_evict_locks_causes_a_warning_without_admin_mode(string policy)
    {
        Assert.Null(await Store.CheckAsync(Cancellation));

        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory-policy", policy);
        Assert.Null(await Store.CheckAsync(Cancellation));

        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1gb");

        string? warning = await Store.CheckAsync(Cancellation);
        Assert.Contains(policy, warning, StringComparison.Ordinal);
        Assert.Contains("noeviction", warning, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_check_is_silent_where_rights_forbid_reading_the_policy()
    {
        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1gb");
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-info", "-config");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret");

        Assert.Null(await worker.CheckAsync(Cancellation));
    }

    [Fact]
    public async Task A_process_that_may_not_subscribe_any_more_reports_it_once_and_is_notified_again_when_it_may()
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "&*", "+@all");
        await using RedisLockStore store = CreateStore($"{Server.ConnectionString},user=deaf,password=secret");
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await store.SubscribeAsync(notifications.Enqueue, Cancellation);

        await Redis.ExecuteAsync("ACL", "SETUSER", "deaf", "resetchannels");
        await Eventually.IsTrueAsync(() => notifications.OfType<LockNotification.SubscriptionLost>().Any());
        await Redis.ExecuteAsync("ACL", "SETUSER", "deaf", "allchannels");
        await BreakAndHearAsync(store, notifications);

        LockNotification.SubscriptionLost said = Assert.Single(notifications.OfType<LockNotification.SubscriptionLost>());
        Assert.StartsWith("Subscribing to notifications: Redis answered 'NOPERM", said.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_is_in_no_message()
    {
        await Redis.ExecuteAsync("CONFIG", "SET", "requirepass", "correct");
        await using RedisLockStore store = CreateStore($"{Impatient},password=hunter2secret");

        LockStoreException error = await Assert.ThrowsAsync<LockStoreException>(
            async () => await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation));

        Assert.DoesNotContain("hunter2secret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_the_password_was_changed_the_error_says_so()
    {
        // Otherwise a connection whose password is refused continues as the default user.
        await Redis.ExecuteAsync("CONFIG", "SET", "requirepass", "another");
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">old", "~*", "&*", "+@all");
        FakeTimeProvider time = new();
        await using RedisLockStore store = new(new RedisLockOptions { Configuration = $"{Impatient},syncTimeout=300,user=worker,password=old" }, time);
        await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation);

        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "<old", ">new");
        await Redis.ExecuteAsync("CLIENT", "KILL", "USER", "worker");

        await Eventually.SeesAsync(
            async () =>
            {
                time.Advance(TimeSpan.FromSeconds(10));
                return await Record.ExceptionAsync(async () => await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation)) as LockStoreException;
            },
            error => error?.Message.Contains("Verify if the Redis password provided is correct", StringComparison.Ordinal) == true);
    }

    private static Task<LockStoreException> FailsAsync(Func<Task> ask) => Assert.ThrowsAsync<LockStoreException>(ask);

    private async Task BreakAndHearAsync(ILockStore store, ConcurrentQueue<LockNotification> notifications, ILockStore? breaker = null)
    {
        // The client resubscribes a moment after it reconnects. Until then a notification may be lost, and the test breaks another lease.
        await Eventually.IsTrueAsync(async () =>
        {
            AcquireRequest lease = LockRequests.Acquire($"{Name}:{Guid.NewGuid()}");
            long token = (await store.AcquireAsync(lease, Cancellation)).FencingToken;
            await (breaker ?? store).BreakAsync(lease.Name, token, Cancellation);
            await Eventually.IsTrueAsync(() => notifications.Contains(new LockNotification.Broken(lease.LeaseId)), TimeSpan.FromSeconds(1));
            return true;
        });
    }

    private async Task<string> ClientsAsync() => (string)(await Redis.ExecuteAsync("CLIENT", "LIST"))!;
}
