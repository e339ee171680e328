using System.Reflection;
using JobLocking.Stores;
using JobLocking.TestKit.Contract;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace JobLocking.Tests.Stores;

[StoreUnderTest(typeof(InMemoryLockStore))]
public sealed class InMemoryLockStoreContract : LockStoreContract
{
    private readonly FakeTimeProvider _time = new();
    private InMemoryLockStore? _store;

    protected override ILockStore CreateStore() => _store = _store?.OfAnotherProcess() ?? new InMemoryLockStore(_time);

    protected override Task PassAsync(TimeSpan time)
    {
        _time.Advance(time);
        return Task.CompletedTask;
    }
}

public sealed class ContractCoverageTests
{
    [Fact]
    public void Every_store_of_the_package_keeps_to_the_contract() =>
        ContractCoverage.EveryStoreHasItsSuite(typeof(InMemoryLockStore).Assembly, Assembly.GetExecutingAssembly());
}
