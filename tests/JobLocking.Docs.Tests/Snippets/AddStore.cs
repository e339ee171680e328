using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Docs.Snippets;

public static class MyStoreExtensions
{
    #region add-a-store
    public static JobLockingBuilder UseMyStore(this JobLockingBuilder builder, string connectionString)
    {
        builder.Services.AddSingleton<ILockStore>(_ => MyStore.Open(connectionString)); // exactly one: a host with two stores does not start
        return builder;
    }
    #endregion

    private static class MyStore
    {
        public static ILockStore Open(string connectionString) => throw new NotSupportedException($"No store at {connectionString}.");
    }
}
