using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Docs.Snippets;

public static class Connections
{
    public static void OfTheHost(IServiceCollection services)
    {
        #region configuration-host
        services.AddJobLocking().UseRedis(); // the IConnectionMultiplexer in the service collection
        #endregion
    }

    public static void WithKey(IServiceCollection services)
    {
        #region configuration-key
        services.AddJobLocking().UseKeyedRedis("locks"); // the one that is registered with this key
        #endregion
    }

    public static void FromServices(IServiceCollection services)
    {
        #region configuration-services
        services.AddJobLocking().UseRedis((sp, options) =>
        {
            options.Configuration = sp.GetRequiredService<IConfiguration>().GetConnectionString("Redis");
            options.KeyPrefix = "billing:task_lock:";
        });
        #endregion
    }
}
