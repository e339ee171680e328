using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Micro;

/// <summary>An engine on a store that costs next to nothing.</summary>
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
