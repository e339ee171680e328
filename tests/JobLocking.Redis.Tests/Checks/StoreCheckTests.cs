using System.Collections.Concurrent;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Checks;

/// <summary>A server that answers PING may still be unable to keep locks.</summary>
public sealed class StoreCheckTests : OwnServerTests
{
    private string Worker => $"{Server.ConnectionString},user=worker,password=secret,connectTimeout=500,asyncTimeout=1000";

    [Theory]
    [InlineData("CONFIG SET maxmemory 1", "OOM command not allowed")]
    [InlineData("CONFIG SET min-replicas-to-write 1", "NOREPLICAS Not enough good replicas")]
    [InlineData("REPLICAOF 127.0.0.1 1", "READONLY You can't write against a read only replica")]
    [InlineData("ACL SETUSER worker -evalsha", "NOPERM this user has no permissions to run the 'evalsha' command")]
    [InlineData("ACL SETUSER worker -eval", "NOPERM this user has no permissions to run the 'eval' command")]
    [InlineData("ACL SETUSER worker -ping", "NOPERM this user has no permissions to run the 'ping' command")]
    [InlineData("ACL SETUSER worker resetkeys ~{task_lock:*}*", "NOPERM this user has no permissions to access one of the keys")]
    [InlineData("ACL SETUSER worker resetkeys ~task_lock:*", "NOPERM this user has no permissions to access one of the keys")]
    [InlineData("ACL SETUSER worker -set", "can't run this command")]
    [InlineData("ACL SETUSER worker -pexpire", "a lease could not be renewed")]
    [InlineData("ACL SETUSER worker -del", "can't run this command")]
    public async Task A_check_fails_with_the_error_of_Redis_when_no_lock_can_be_acquired(string command, string said)
    {
        await WorkerAsync();
        await using RedisLockStore store = CreateStore(Worker), late = CreateStore(Worker);
        Assert.Null(await store.CheckAsync(Cancellation));

        await DoAsync(command);

        string[] failures = [await FailureAsync(store), await FailureAsync(late)];
        Assert.All(failures, failure => Assert.StartsWith("Checking Redis", failure, StringComparison.Ordinal));
        Assert.All(failures, failure => Assert.Contains(said, failure, StringComparison.Ordinal));
        Assert.All(failures, failure => Assert.DoesNotContain("cannot be reached", failure, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_check_fails_where_EVALSHA_has_another_name()
    {
        await using RedisServer server = await RedisServer.StartAsync("--rename-command", "EVALSHA", "");
        await using RedisLockStore store = CreateStore(server.ConnectionString);

        Assert.Contains("ERR unknown command 'EVALSHA'", await FailureAsync(store), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, "resetchannels", "NOPERM this user has no permissions to access one of the channels")]
    [InlineData(false, "-subscribe", "NOPERM this user has no permissions to run the 'subscribe' command")]
    [InlineData(true, "-publish", "a notification cannot be sent")]
    [InlineData(false, "-publish", "a notification cannot be sent")]
    public async Task A_check_warns_with_the_error_of_Redis_when_notifications_are_refused(bool listens, string rule, string said)
    {
        await WorkerAsync();
        await using RedisLockStore store = CreateStore(Worker);
        await using IAsyncDisposable? listening = listens ? await store.SubscribeAsync(_ => { }, Cancellation) : null;

        await DoAsync($"ACL SETUSER worker {rule}");

        string? warning = await Eventually.SeesAsync<string?>(async () => await store.CheckAsync(Cancellation), warning => warning is not null);
        Assert.Contains(said, warning, StringComparison.Ordinal);
        Assert.Contains("waiting jobs start up to 5 s late", warning, StringComparison.Ordinal);
        Assert.Equal(AcquireOutcome.Granted, (await store.AcquireAsync(LockRequests.Acquire(Name), Cancellation)).Outcome);
    }

    [Theory]
    [InlineData(-3600, "ahead of")]
    [InlineData(3600, "behind")]
    public async Task A_check_warns_of_a_clock_that_differs(int seconds, string said)
    {
        await using RedisServer server = await RedisServer.StartWithOwnClockAsync();
        await using RedisLockStore store = CreateStore(server.ConnectionString);
        Assert.Null(await store.CheckAsync(Cancellation));

        server.SetClock(TimeSpan.FromSeconds(seconds));

        string? warning = await store.CheckAsync(Cancellation);
        Assert.Contains($"The clock of this machine is 3", warning, StringComparison.Ordinal);
        Assert.Contains($" s {said} the clock of Redis at {server.Endpoint}", warning, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_warns_of_a_primary_that_accepts_writes_without_its_replicas()
    {
        await using RedisServer replica = await RedisServer.StartAsync("--replicaof", "127.0.0.1", $"{Server.Port}");
        await using RedisLockStore store = CreateStore(Server.ConnectionString);
        await Eventually.SeesAsync(
            async () => await store.CheckAsync(Cancellation) ?? "",
            warning => warning.Contains("has replicas, but min-replicas-to-write is 0", StringComparison.Ordinal));

        // Of one that is still being synchronised, Redis says NOREPLICAS.
        await DoAsync("CONFIG SET min-replicas-to-write 1");
        await Eventually.SeesAsync(
            async () => await store.CheckAsync(Cancellation) ?? "",
            warning => warning.Contains("accepts writes for 10 s without its replicas", StringComparison.Ordinal));

        await DoAsync("CONFIG SET min-replicas-max-lag 9");
        Assert.Null(await store.CheckAsync(Cancellation));
    }

    [Fact]
    public async Task A_check_runs_four_scripts_leaves_no_lock_and_appears_in_no_list()
    {
        await using IAsyncDisposable listening = await Store.SubscribeAsync(_ => { }, Cancellation);
        await Store.CheckAsync(Cancellation);
        await DoAsync("CONFIG RESETSTAT");

        await Store.CheckAsync(Cancellation);

        string stats = (string)(await Redis.ExecuteAsync("INFO", "commandstats"))!;
        Assert.Contains("cmdstat_evalsha:calls=3,", stats, StringComparison.Ordinal);
        Assert.Contains("cmdstat_eval:calls=1,", stats, StringComparison.Ordinal);
        Assert.DoesNotContain("subscribe:", stats, StringComparison.Ordinal);
        Assert.Equal("", (string?)await Redis.ScriptEvaluateAsync("return table.concat(redis.call('KEYS', 'task_lock:*'))"));
        Assert.InRange((long)await Redis.ScriptEvaluateAsync("return redis.call('PTTL', redis.call('KEYS', '{task_lock:joblocking:check:*:fence')[1])"), 1, 5000);

        await Redis.StringSetAsync($"task_lock:{LockKeys.CheckName("of-another-process", 1, 0)}", "taken");
        Assert.Empty(await Store.ListAsync(null, Cancellation).ToListAsync(Cancellation));
    }

    [Fact]
    public async Task Checks_at_the_same_time_do_not_interfere()
    {
        string?[] warnings = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Store.CheckAsync(Cancellation).AsTask()));

        Assert.All(warnings, Assert.Null);
    }

    [Fact]
    public async Task What_a_check_sends_to_itself_is_no_notification_and_ends_no_subscription()
    {
        ConcurrentQueue<LockNotification> notifications = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(notifications.Enqueue, Cancellation);

        await Store.CheckAsync(Cancellation);

        AcquireRequest lease = LockRequests.Acquire(Name);
        await Store.BreakAsync(Name, (await AskAsync(lease)).FencingToken, Cancellation);
        await Eventually.IsTrueAsync(() => !notifications.IsEmpty);
        Assert.Equal([new LockNotification.Broken(lease.LeaseId)], notifications);
    }

    [Theory]
    [InlineData(true, "did not answer in time")]
    [InlineData(false, "cannot be reached")]
    public async Task A_check_and_a_list_fail_when_one_primary_of_a_cluster_is_frozen_or_dead(bool isFrozen, string said)
    {
        await using RedisServer well = await RedisServer.StartAsync(FrozenPrimaryTests.Cluster);
        await using RedisServer other = await RedisServer.StartAsync(FrozenPrimaryTests.Cluster);
        await FrozenPrimaryTests.JoinAsync(well, other);
        await using RedisLockStore store = CreateStore($"{well.Endpoint},{other.Endpoint},connectTimeout=500,asyncTimeout=1000");
        Assert.Null(await store.CheckAsync(Cancellation));
        AcquireRequest[] held = [.. Enumerable.Range(0, 20).Select(i => LockRequests.Acquire($"lease:{i}"))];
        await Task.WhenAll(held.Select(lease => store.AcquireAsync(lease, Cancellation).AsTask()));
        Assert.Equal(20, (await store.ListAsync(null, Cancellation).ToListAsync(Cancellation)).Count);

        await (isFrozen ? FreezeAsync() : other.KillAsync());

        await Assert.ThrowsAsync<LockStoreException>(async () => await store.ListAsync(null, Cancellation).ToListAsync(Cancellation));
        string failure = await FailureAsync(store);
        Assert.Contains($"Checking Redis at {other.Endpoint}: Redis {said}", failure, StringComparison.Ordinal);
        Assert.DoesNotContain($"Checking Redis at {well.Endpoint}", failure, StringComparison.Ordinal);

        Task FreezeAsync()
        {
            other.Pause();
            return Task.CompletedTask;
        }
    }

    private static async Task<string> FailureAsync(RedisLockStore store) =>
        (await Assert.ThrowsAsync<LockStoreException>(async () => await store.CheckAsync(Cancellation))).Message;

    private async Task WorkerAsync() => await DoAsync("ACL SETUSER worker on >secret ~* &* +@all");

    private async Task DoAsync(string command)
    {
        string[] words = command.Split(' ');
        await Redis.Multiplexer.GetServer(Server.Endpoint).ExecuteAsync(words[0], [.. words[1..]]);
    }
}
