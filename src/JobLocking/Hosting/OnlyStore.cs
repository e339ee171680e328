using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Hosting;

/// <summary>The one store of the host, or what to do about it.</summary>
internal static class OnlyStore
{
    public static ILockStore Of(IServiceProvider services)
    {
        ILockStore[] stores = [.. services.GetServices<ILockStore>()];
        return stores.Length switch
        {
            1 => stores[0],
            0 => throw new TaskLockException(
                "AddJobLocking() has no store. "
                + "Fix: add one, as in AddJobLocking().UseRedis(\"localhost:6379\"), or .UseInMemory() for a single node."),
            _ => throw new TaskLockException(
                $"AddJobLocking() has {stores.Length} stores: {string.Join(", ", stores.Select(s => s.GetType().Name))}. "
                + "Fix: keep one of UseRedis and UseInMemory."),
        };
    }
}
