using System.Text;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>Foreign values under our keys: contention, never an error, never a grant.</summary>
public abstract class ForeignValueTests(string connectionString) : RedisStoreTests
{
    private const string Valid = """{"app":"a","node":"n","scheduler":"s","since":"2026-03-01T12:00:00+00:00"}""";

    public static TheoryData<string, byte[]> Values
    {
        get
        {
            string[] texts =
            [
                "1",
                "",
                ":",
                ":::",
                "kept:1::",
                "kept:1:process:" + Valid,
                "lease:1::" + Valid,
                "lease:-1:process:" + Valid,
                "lease:1.5:process:" + Valid,
                "lease:99999999999999999999:process:" + Valid,
                "lease:1:process:not json",
                "lease:1:process:null",
                "lease:1:process:[]",
                """lease:1:process:{"app":null,"node":"n","scheduler":"s","since":"2026-03-01T12:00:00+00:00"}""",
                """lease:1:process:{"app":"a","node":"n","scheduler":"s","since":"yesterday"}""",
                """lease:1:process:{"app":"a"}""",
                "lease:1:process:" + new string('[', 10_000),
                "lease:1:process:" + Valid.Replace("\"a\"", $"\"{new string('a', 1_000_000)}\"", StringComparison.Ordinal),
            ];
            TheoryData<string, byte[]> values = [];
            foreach (string text in texts)
            {
                values.Add(text.Length > 60 ? text[..60] : text, Encoding.UTF8.GetBytes(text));
            }

            values.Add("binary", [0, 255, 254, 13, 10, 58, 49, 58, 58, 123]);
            return values;
        }
    }

    protected override ValueTask<string> ConnectionStringAsync() => new(connectionString);

    [Theory]
    [MemberData(nameof(Values), DisableDiscoveryEnumeration = true)]
    public async Task A_foreign_value_is_contention_and_stays_as_it_is(string shown, byte[] value)
    {
        Assert.NotNull(shown);
        await Redis.StringSetAsync(LockKey, value);

        await AssertForeignAsync();

        Assert.Equal(value, (byte[]?)await Redis.StringGetAsync(LockKey));
        Assert.Null(await Redis.KeyTimeToLiveAsync(LockKey));
    }

    [Theory]
    [InlineData("{0}")]
    [InlineData("{0}:")]
    [InlineData("{0}:token:process:" + Valid)]
    [InlineData("{0}:-1:process:" + Valid)]
    [InlineData("{0}:1")]
    [InlineData("{0}:1:")]
    [InlineData("{0}:1:process")]
    [InlineData("kept:{0}:1:process:" + Valid)]
    public async Task A_value_that_only_begins_as_one_of_a_lease_is_not_its_own_for_acquire_renewal_or_release(string value)
    {
        AcquireRequest request = LockRequests.Acquire(Name);
        await Redis.StringSetAsync(LockKey, value.Replace("{0}", request.LeaseId, StringComparison.Ordinal));

        Assert.Equal(AcquireOutcome.Contended, (await AskAsync(request)).Outcome);
        Assert.Equal(RenewOutcome.NotYours, await RenewedAsync(request));
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(request));
        Assert.Null(await Redis.KeyTimeToLiveAsync(LockKey));
    }

    [Fact]
    public async Task A_key_of_another_type_is_contention_and_stays_as_it_is()
    {
        await Redis.ListRightPushAsync(LockKey, "item");

        await AssertForeignAsync();

        Assert.Equal(1, await Redis.ListLengthAsync(LockKey));
    }

    [Fact]
    public async Task A_foreign_value_says_how_long_it_has_to_live()
    {
        await Redis.StringSetAsync(LockKey, "1", TimeSpan.FromMinutes(1));

        AcquireResult result = await AskAsync(LockRequests.Acquire(Name));

        Assert.InRange(result.TimeLeft!.Value, TimeSpan.FromTicks(1), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task One_poisoned_key_harms_no_other_lease_of_a_batch()
    {
        AcquireRequest[] leases = [await GrantedAsync(), await GrantedAsync(name: Name + ":poisoned"), await GrantedAsync(name: Name + ":3")];
        await Redis.KeyDeleteAsync(LockKey + ":poisoned");
        await Redis.HashSetAsync(LockKey + ":poisoned", "field", "value");

        RenewOutcome[] outcomes = new RenewOutcome[3];
        await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation);

        Assert.Equal([RenewOutcome.Renewed, RenewOutcome.NotYours, RenewOutcome.Renewed], outcomes);
    }

    [Fact]
    public async Task A_poisoned_mark_does_not_cost_the_lease_that_runs_its_occurrence()
    {
        LockOccurrence occurrence = new("job", DateTimeOffset.UnixEpoch, IsRetry: false);
        AcquireRequest lease = await GrantedAsync(occurrence);
        string mark = $"{{{LockKey}}}@//job//1970-01-01T00:00:00.0000000Z";
        Assert.True(await Redis.KeyDeleteAsync(mark));
        await Redis.SetAddAsync(mark, "member");

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease, end: new OccurrenceEnd(occurrence, LockRequests.Holder(), OccurrenceOutcome.Succeeded, TimeSpan.FromMinutes(1))));
        Assert.Equal(1, await Redis.SetLengthAsync(mark));
    }

    [Theory]
    [InlineData("anything", AcquireOutcome.OccurrenceRunning)]
    [InlineData("running:", AcquireOutcome.OccurrenceRunning)]
    [InlineData("running:lease:not json", AcquireOutcome.OccurrenceRunning)]
    [InlineData("done:", AcquireOutcome.OccurrenceRunning)]
    [InlineData("succeeded:not json", AcquireOutcome.OccurrenceSucceeded)]
    public async Task A_foreign_mark_is_never_granted_over(string value, AcquireOutcome outcome)
    {
        string mark = $"{{{LockKey}}}@//job//1970-01-01T00:00:00.0000000Z";
        await Redis.StringSetAsync(mark, value);

        AcquireResult result = await AskAsync(LockRequests.Acquire(Name, occurrence: new LockOccurrence("job", DateTimeOffset.UnixEpoch, IsRetry: true)));

        Assert.Equal((outcome, null, null), (result.Outcome, result.Holder, result.TimeLeft));
        Assert.False(await Redis.KeyExistsAsync(LockKey));
        Assert.Equal(value, (string?)await Redis.StringGetAsync(mark));
    }

    [Fact]
    public async Task A_mark_of_another_type_is_never_granted_over()
    {
        string mark = $"{{{LockKey}}}@//job//1970-01-01T00:00:00.0000000Z";
        await Redis.SetAddAsync(mark, "member");

        AcquireResult result = await AskAsync(LockRequests.Acquire(Name, occurrence: new LockOccurrence("job", DateTimeOffset.UnixEpoch, IsRetry: true)));

        Assert.Equal((AcquireOutcome.OccurrenceRunning, null), (result.Outcome, result.Holder));
    }

    [Theory]
    [InlineData("not a number")]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1e15")]
    [InlineData("0x10")]
    [InlineData("nan")]
    [InlineData("1.5")]
    [InlineData("9007199254740991")]
    [InlineData("99999999999999999999")]
    public async Task A_fence_that_holds_no_token_is_an_error_before_anything_is_written(string fence)
    {
        await Redis.StringSetAsync(FenceKey, fence);

        LockStoreException error = await RefusedAsync(LockRequests.Acquire(Name));

        Assert.False(error.MayHaveBeenApplied);
        Assert.Equal($"Acquiring lock '{Name}': key '{FenceKey}' holds no fencing token. Fix: delete that key.", error.Message);
        Assert.False(await Redis.KeyExistsAsync(LockKey));
        Assert.Equal(fence, (string?)await Redis.StringGetAsync(FenceKey));
    }

    [Fact]
    public async Task A_fence_of_another_type_is_an_error_before_anything_is_written()
    {
        await Redis.SetAddAsync(FenceKey, "member");

        LockStoreException error = await RefusedAsync(LockRequests.Acquire(Name));

        Assert.False(error.MayHaveBeenApplied);
        Assert.False(await Redis.KeyExistsAsync(LockKey));
    }

    private async Task AssertForeignAsync()
    {
        AcquireRequest request = LockRequests.Acquire(Name);
        AcquireResult result = await AskAsync(request);
        Assert.Equal((AcquireOutcome.Contended, null, null, false), (result.Outcome, result.Holder, result.TimeLeft, result.IsKept));
        Assert.Equal(RenewOutcome.NotYours, await RenewedAsync(request));
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(request));
        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(request, keepFor: TimeSpan.FromSeconds(1)));
        Assert.False(await Store.BreakAsync(Name, 2, Cancellation));

        HeldLock listed = Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        Assert.Equal((Name, null, null, null, false), (listed.Name, listed.Holder, listed.FencingToken, listed.TimeLeft, listed.IsKept));
        Assert.Empty(listed.Waiters);
    }
}

public sealed class ForeignValueTestsOnRedis(SharedServers servers) : ForeignValueTests(servers.Redis.ConnectionString);

public sealed class ForeignValueTestsOnGarnet(SharedServers servers) : ForeignValueTests(servers.Embedded.ConnectionString);
