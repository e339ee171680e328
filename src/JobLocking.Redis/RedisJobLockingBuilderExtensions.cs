using JobLocking;
using JobLocking.Redis;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Keeps the locks in Redis.</summary>
public static class RedisJobLockingBuilderExtensions
{
    /// <summary>Keeps the locks in the Redis with this connection string.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configuration">As StackExchange.Redis reads it: <c>localhost:6379</c>.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder, string configuration) =>
        builder.UseRedis(options => options.Configuration = configuration);

    /// <summary>Keeps the locks in the Redis that the options describe.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Sets the connection, and the prefix of the keys if it shall be another.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder, Action<RedisLockOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);

        builder.Services.AddOptions<RedisLockOptions>().Configure(configure).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RedisLockOptions>, RedisLockOptionsValidator>();
        builder.Services.AddSingleton<ILockStore>(static sp => new RedisLockStore(
            sp.GetRequiredService<IOptions<RedisLockOptions>>().Value, sp.GetService<TimeProvider>() ?? TimeProvider.System));
        return builder;
    }

    /// <summary>Keeps the locks in the Redis whose <see cref="IConnectionMultiplexer"/> is among the services of the host, which goes on owning it.</summary>
    /// <param name="builder">The builder.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);

        builder.UseRedis(static _ => { });
        builder.Services.AddOptions<RedisLockOptions>()
            .Configure<IServiceProvider>(static (options, sp) =>
                options.ConnectionMultiplexerFactory = () => Task.FromResult(sp.GetRequiredService<IConnectionMultiplexer>()))
            .Validate<IServiceProvider>(
                static (_, sp) => sp.GetService<IServiceProviderIsService>()?.IsService(typeof(IConnectionMultiplexer)) ?? true,
                "UseRedis() finds no IConnectionMultiplexer among the services. Fix: register one, or give the connection as in UseRedis(\"localhost:6379\").");
        return builder;
    }
}
