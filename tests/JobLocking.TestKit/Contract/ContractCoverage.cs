using System.Reflection;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>The store that a contract suite tests, so that a store without a suite is found.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class StoreUnderTestAttribute(Type store) : Attribute
{
    public Type Store { get; } = store;
}

/// <summary>A store without a contract suite makes a test fail.</summary>
public static class ContractCoverage
{
    public static void EveryStoreHasItsSuite(Assembly stores, Assembly tests)
    {
        Type[] written =
            [.. stores.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(ILockStore)))];
        HashSet<Type?> tested =
        [
            .. tests.GetTypes()
                .Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(LockStoreContract)))
                .Select(type => type.GetCustomAttribute<StoreUnderTestAttribute>()?.Store),
        ];

        Assert.NotEmpty(written);
        Assert.Equal([], written.Where(store => !tested.Contains(store)));
    }
}
