using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>Garnet as it is by default: scripts interleave, and only a grant by a single SET NX excludes others.</summary>
public sealed class InterleavedScriptsTests
{
    [Fact]
    public async Task One_of_many_simultaneous_acquires_is_granted_even_where_scripts_interleave()
    {
        await using EmbeddedServer server = await EmbeddedServer.StartAsync(isolatedScripts: false);
        RedisLockStore[] stores = [.. Enumerable.Range(0, 8).Select(_ => RedisStoreTests.CreateStore(server.ConnectionString))];
        await Task.WhenAll(stores.Select(store => store.CheckAsync(TestContext.Current.CancellationToken).AsTask()));

        for (int round = 0; round < 50; round++)
        {
            string name = $"interleaved:{round}";
            AcquireResult[] results = await Task.WhenAll(stores.Select(store => Task.Run(
                async () => await store.AcquireAsync(WaiterRequest(name), TestContext.Current.CancellationToken))));

            Assert.Single(results, result => result.Outcome == AcquireOutcome.Granted);
        }

        await Task.WhenAll(stores.Select(store => store.DisposeAsync().AsTask()));
    }

    private static AcquireRequest WaiterRequest(string name) =>
        LockRequests.Acquire(name) with { Waiter = new WaiterEntry(LockRequests.LeaseId(), TimeSpan.FromMinutes(1)) };
}
