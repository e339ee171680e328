using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>A store with only the rights of the page meets the whole contract.</summary>
[StoreUnderTest(typeof(RedisLockStore))]
public sealed class RedisLockStoreContractWithTheLeastRights(RestrictedServer server)
    : RedisLockStoreContract(server.ConnectionStringOf(SecurityPage.User)), IClassFixture<RestrictedServer>;

public sealed class RightsTests(RestrictedServer server, SharedServers servers) : IClassFixture<RestrictedServer>
{
    public static TheoryData<string> Rights => [.. SecurityPage.Rights];

    [Fact]
    public async Task The_rights_on_the_page_are_enough_and_it_lists_what_is_refused_all_the_same()
    {
        await MayEvictAsync();
        await server.Admin.ExecuteAsync("ACL", "LOG", "RESET");

        string[] missed = await MissedAsync("enough", without: null);
        Assert.Equal([], missed);

        RedisResult[] log = (RedisResult[])(await server.Admin.ExecuteAsync("ACL", "LOG", "100"))!;
        IEnumerable<string> refused = log.Select(entry => entry.ToDictionary()).Where(entry => (string?)entry["username"] == "enough").Select(entry => (string)entry["object"]!).Distinct();
        Assert.All(refused, asked => Assert.Contains($"`{asked}`", SecurityPage.Text, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Rights))]
    public async Task No_right_can_be_left_out(string right)
    {
        await MayEvictAsync();

        string[] missed = await MissedAsync($"without {right}".Replace(' ', '-'), right);
        Assert.NotEqual([], missed);
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(false, "+cluster|slots")]
    [InlineData(true, "+cluster|nodes")]
    public async Task A_cluster_is_recognised_by_a_user_that_may_see_its_nodes(bool isKnown, string right)
    {
        await using ConnectionMultiplexer admin = await ConnectionMultiplexer.ConnectAsync($"{servers.Cluster.ConnectionString},allowAdmin=true");
        string user = $"user-{Guid.NewGuid():N}";
        await admin.GetServer(servers.Cluster.Endpoint).ExecuteAsync("ACL", [.. SecurityPage.SetUser(user), .. right.Length > 0 ? [right] : Array.Empty<object>()]);
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(
            $"{servers.Cluster.ConnectionString},user={user},password={SecurityPage.Password}");

#if CLIENT_ALWAYS_KNOWS_CLUSTER
        isKnown = true;
#endif
        Assert.Equal(isKnown, connection.HashSlot("any") >= 0);
    }

    [Fact]
    public async Task Without_the_right_to_publish_all_holders_answer()
    {
        await server.Admin.ExecuteAsync("ACL", SecurityPage.SetUser("quiet", without: "+publish"));
        await using RedisLockStore quiet = RedisStoreTests.CreateStore(server.ConnectionStringOf("quiet"));
        await using RedisLockStore dead = RedisStoreTests.CreateStore(server.ConnectionStringOf("quiet"));
        AcquireRequest lease = LockRequests.Acquire($"test:{Guid.NewGuid():N}") with { AsksWhetherHolderAnswers = true };
        lease = lease with { Holder = lease.Holder with { Identity = "mY3-qk5eR_0aBcDeFgHiJk" } };
        await dead.AcquireAsync(lease, TestContext.Current.CancellationToken);

        AcquireResult result = await quiet.AcquireAsync(lease with { LeaseId = LockRequests.LeaseId() }, TestContext.Current.CancellationToken);

        Assert.Equal((AcquireOutcome.Contended, false), (result.Outcome, result.HolderIsGone));
    }

    private async Task MayEvictAsync()
    {
        await server.Admin.ExecuteAsync("CONFIG", "SET", "maxmemory", "1gb");
        await server.Admin.ExecuteAsync("CONFIG", "SET", "maxmemory-policy", "volatile-lru");
    }

    private async Task<string[]> MissedAsync(string user, string? without)
    {
        await server.Admin.ExecuteAsync("ACL", SecurityPage.SetUser(user, without));
        await server.Admin.ExecuteAsync("CONFIG", "RESETSTAT");
        string connection = server.ConnectionStringOf(user);
        await using RedisLockStore store = RedisStoreTests.CreateStore(connection), other = RedisStoreTests.CreateStore(connection);
        await using RedisLockStore leaving = RedisStoreTests.CreateStore(connection);
        return await MissedAsync(new Uses(store, other, leaving, server.Admin));
    }

    private static async Task<string[]> MissedAsync(Uses uses)
    {
        (string What, Task Use)[] all = [.. uses.All.Select(use => (use.What, use.Use()))];
        await Task.WhenAll(all.Select(use => use.Use)).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return [.. all.Where(use => use.Use.IsFaulted).Select(use => $"{use.What}: {use.Use.Exception!.InnerException!.Message}")];
    }
}
