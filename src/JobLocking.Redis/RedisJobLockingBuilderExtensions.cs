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
        ArgumentNullException.ThrowIfNull(configure);
        return builder.UseRedis((_, options) => configure(options));
    }

    /// <summary>Keeps the locks in the Redis that the options describe, with what the services of the host know about it.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Sets the connection, and the prefix of the keys if you need another one. Called once, at start.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder, Action<IServiceProvider, RedisLockOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);

        builder.Services.AddOptions<RedisLockOptions>()
            .Configure<IServiceProvider>((options, sp) => configure(sp, options))
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RedisLockOptions>, RedisLockOptionsValidator>();
        builder.Services.AddSingleton<ILockStore>(static sp => new RedisLockStore(
            sp.GetRequiredService<IOptions<RedisLockOptions>>().Value, sp.GetService<TimeProvider>() ?? TimeProvider.System));
        return builder;
    }

    /// <summary>
    /// Keeps the locks in the Redis whose <see cref="IConnectionMultiplexer"/> is among the services of the host, which goes on owning it.
    /// A <see cref="RedisLockOptions.ConnectionMultiplexerFactory"/> that the options are given elsewhere is used instead.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseConnection(new HostConnection(builder.Services, serviceKey: null));
    }

    /// <summary>
    /// Keeps the locks in the Redis whose <see cref="IConnectionMultiplexer"/> is among the services of the host under this key;
    /// the host goes on owning it. A <see cref="RedisLockOptions.ConnectionMultiplexerFactory"/> that the options are given elsewhere is used instead.
    /// </summary>
    /// <remarks>Not an overload of <c>UseRedis</c>, where a key that is a string would be taken for a connection string.</remarks>
    /// <param name="builder">The builder.</param>
    /// <param name="serviceKey">
    /// The key under which the connection was registered: <c>AddKeyedSingleton&lt;IConnectionMultiplexer&gt;("locks", …)</c>.
    /// </param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseKeyedRedis(this JobLockingBuilder builder, object serviceKey)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(serviceKey);
        return builder.UseConnection(new HostConnection(builder.Services, serviceKey));
    }

    private static JobLockingBuilder UseConnection(this JobLockingBuilder builder, HostConnection connection)
    {
        builder.UseRedis(static (_, _) => { });

        // After all else that configures the options: what results counts, not what is registered.
        builder.Services.AddOptions<RedisLockOptions>().PostConfigure<IServiceProvider>(connection.Offer);
        return builder;
    }
}
