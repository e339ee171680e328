using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>What operators and foreign clients find in Redis, and may do there.</summary>
public sealed partial class RedisLockStoreTests(SharedServers servers) : RedisStoreTests
{
    protected override ValueTask<string> ConnectionStringAsync() => new(servers.Redis.ConnectionString);

    [Fact]
    public async Task A_foreign_key_with_a_huge_time_to_live_counts_as_one_without_expiry()
    {
        await Redis.ExecuteAsync("SET", LockKey, "1", "PX", "9000000000000000000");

        Assert.Null((await AskAsync(Shared(1))).TimeLeft);
        Assert.Null((await PolledAsync(WaiterRequest())).TimeLeft);
        Assert.Null(Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation)).TimeLeft);
    }

    [Fact]
    public async Task A_lock_of_a_foreign_client_blocks_ours()
    {
        Assert.True(await Redis.StringSetAsync(LockKey, "1", TimeSpan.FromSeconds(60), When.NotExists));

        AcquireResult result = await AskAsync(LockRequests.Acquire(Name));

        Assert.Equal((AcquireOutcome.Contended, null), (result.Outcome, result.Holder));
        await Redis.KeyDeleteAsync(LockKey);
        await GrantedAsync();
    }

    [Fact]
    public async Task Our_lock_blocks_a_foreign_client_until_it_is_released()
    {
        AcquireRequest lease = await GrantedAsync();
        Assert.False(await Redis.StringSetAsync(LockKey, "1", TimeSpan.FromSeconds(60), When.NotExists));

        await ReleasedAsync(lease);

        Assert.True(await Redis.StringSetAsync(LockKey, "1", TimeSpan.FromSeconds(60), When.NotExists));
    }

    [Fact]
    public async Task A_lock_that_a_foreign_client_has_deleted_is_missing_at_the_next_renewal()
    {
        AcquireRequest lease = await GrantedAsync();

        await Redis.KeyDeleteAsync(LockKey);

        Assert.Equal(RenewOutcome.Missing, await RenewedAsync(lease));
        Assert.False(await Redis.KeyExistsAsync(LockKey));
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task A_lease_that_was_made_persistent_by_hand_expires_again_after_its_renewal()
    {
        AcquireRequest lease = await GrantedAsync();
        await Redis.KeyPersistAsync(LockKey);

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));

        Assert.NotNull(await Redis.KeyTimeToLiveAsync(LockKey));
    }

    [Fact]
    public async Task The_holder_of_a_lock_is_readable_by_GET()
    {
        AcquireRequest lease = LockRequests.Acquire(Name) with { Holder = LockRequests.Holder("Büro <3>") };
        AcquireResult granted = await AskAsync(lease);

        string value = (string)(await Redis.StringGetAsync(LockKey))!;

        Match match = ValueOfALease().Match(value);
        Assert.True(match.Success, value);
        Assert.Equal(lease.LeaseId, match.Groups["lease"].Value);
        Assert.Equal($"{granted.FencingToken}", match.Groups["token"].Value);
        Assert.Equal(
            """{"app":"billing","node":"Büro <3>","scheduler":"Hangfire","since":"2026-03-01T12:30:45.123+00:00","job":"Invoices.Send","execution":"17"}""",
            match.Groups["holder"].Value);
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(match.Groups["holder"].Value).RootElement.ValueKind);
    }

    [Fact]
    public async Task A_kept_lock_says_so_and_names_no_lease()
    {
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;

        await ReleasedAsync(lease, keepFor: TimeSpan.FromMinutes(1));

        string value = (string)(await Redis.StringGetAsync(LockKey))!;
        Assert.StartsWith($$"""kept:{{token}}::{"app":"billing",""", value, StringComparison.Ordinal);
        Assert.DoesNotContain(lease.LeaseId, value, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_fence_outlives_the_lease_by_a_day_and_no_more()
    {
        AcquireRequest lease = await GrantedAsync();
        TimeSpan aDay = TimeSpan.FromHours(24);
        Assert.InRange((await Redis.KeyTimeToLiveAsync(FenceKey))!.Value, TimeSpan.FromHours(23), aDay);

        await Redis.KeyExpireAsync(FenceKey, TimeSpan.FromHours(1));
        await AskAsync(LockRequests.Acquire(Name));
        await RenewedAsync(lease);
        Assert.InRange((await Redis.KeyTimeToLiveAsync(FenceKey))!.Value, TimeSpan.Zero, TimeSpan.FromHours(1));

        await ReleasedAsync(lease);
        await GrantedAsync();
        Assert.InRange((await Redis.KeyTimeToLiveAsync(FenceKey))!.Value, TimeSpan.FromHours(23), aDay);
    }

    [Fact]
    public async Task Tokens_grow_by_the_clock_of_the_server_and_past_any_that_was_minted()
    {
        AcquireRequest lease = LockRequests.Acquire(Name);
        long first = (await AskAsync(lease)).FencingToken;
        await ReleasedAsync(lease);
        await Redis.KeyDeleteAsync(FenceKey);
        lease = LockRequests.Acquire(Name);
        long second = (await AskAsync(lease)).FencingToken;
        Assert.True(second > first);
        Assert.Equal($"{second}", (string?)await Redis.StringGetAsync(FenceKey));

        await ReleasedAsync(lease);
        await Redis.StringSetAsync(FenceKey, "8999999999999999");
        Assert.Equal(9000000000000000, (await AskAsync(LockRequests.Acquire(Name))).FencingToken);
    }

    [Fact]
    public async Task All_keys_of_a_lock_are_where_the_contract_says_and_expire()
    {
        LockOccurrence occurrence = new("a {b}/c", new DateTimeOffset(2026, 3, 1, 13, 0, 0, TimeSpan.FromHours(1)), IsRetry: false)
        {
            Application = "billing (Staging)",
            Scheduler = "jobs/~",
        };
        AcquireRequest lease = await GrantedAsync(occurrence);
        string mark = $"{{{LockKey}}}@billing%20%28Staging%29/jobs%2F~/a%20%7Bb%7D%2Fc//2026-03-01T12:00:00.0000000Z";

        Assert.StartsWith($$"""running:{{lease.LeaseId}}:{"app":"billing",""", (string?)await Redis.StringGetAsync(mark), StringComparison.Ordinal);
        Assert.InRange((await Redis.KeyTimeToLiveAsync(mark))!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(1));

        await ReleasedAsync(lease, end: new OccurrenceEnd(occurrence, LockRequests.Holder(), OccurrenceOutcome.Failed, TimeSpan.FromHours(24)));

        Assert.StartsWith("""failed:{"app":"billing",""", (string?)await Redis.StringGetAsync(mark), StringComparison.Ordinal);
        Assert.InRange((await Redis.KeyTimeToLiveAsync(mark))!.Value, TimeSpan.FromHours(23), TimeSpan.FromHours(24));
        Assert.False(await Redis.KeyExistsAsync(LockKey));
    }

    [Fact]
    public async Task Another_prefix_is_another_lock()
    {
        await GrantedAsync();
        await using RedisLockStore other = new(new RedisLockOptions { Configuration = servers.Redis.ConnectionString, KeyPrefix = "other*:" }, TimeProvider.System);

        Assert.Equal(AcquireOutcome.Granted, (await other.AcquireAsync(LockRequests.Acquire(Name), Cancellation)).Outcome);
        Assert.Equal([Name], await other.ListAsync(null, Cancellation).Select(held => held.Name).ToListAsync(Cancellation));
        Assert.True(await Redis.KeyDeleteAsync($"other*:{Name}"));
    }

    [Fact]
    public async Task Only_the_process_that_holds_a_broken_lease_is_notified()
    {
        await using RedisLockStore bystander = CreateStore(servers.Redis.ConnectionString);
        ConcurrentQueue<LockNotification> heard = new();
        ConcurrentQueue<LockNotification> overheard = new();
        await using IAsyncDisposable listening = await Store.SubscribeAsync(heard.Enqueue, Cancellation);
        await using IAsyncDisposable eavesdropping = await bystander.SubscribeAsync(overheard.Enqueue, Cancellation);
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;

        Assert.True(await bystander.BreakAsync(Name, token, Cancellation));
        await Eventually.IsTrueAsync(() => heard.Contains(new LockNotification.Broken(lease.LeaseId)));

        // A bystander that was notified of the first break would have received that notification before its own.
        lease = LockRequests.Acquire(Name);
        token = (await bystander.AcquireAsync(lease, Cancellation)).FencingToken;
        await Store.BreakAsync(Name, token, Cancellation);
        await Eventually.IsTrueAsync(() => !overheard.IsEmpty);
        Assert.Equal([new LockNotification.Broken(lease.LeaseId)], overheard);
    }

    [GeneratedRegex("^(?<lease>[A-Za-z0-9_-]{22}):(?<token>[0-9]{16}):(?<process>[A-Za-z0-9_-]{22}):(?<holder>.*)$")]
    private static partial Regex ValueOfALease();
}
