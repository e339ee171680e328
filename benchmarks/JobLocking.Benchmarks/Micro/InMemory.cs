using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Micro;

/// <summary>An engine whose store costs next to nothing.</summary>
internal static class InMemory
{
    public static ServiceProvider Start()
    {
        ServiceCollection services = new();
        services.AddLogging();
        services.AddJobLocking().UseInMemory();
        return services.BuildServiceProvider();
    }
}
