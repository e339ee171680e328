using JobLocking;
using JobLocking.Redis;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds the store that keeps the locks in Redis.</summary>
public static class RedisJobLockingBuilderExtensions
{
    /// <summary>Keeps the locks in the Redis with this connection string.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configuration">The connection string in the format of StackExchange.Redis: <c>localhost:6379</c>.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder, string configuration) =>
        builder.UseRedis(options => options.Configuration = configuration);

    /// <summary>Keeps the locks in the Redis that the options describe.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Sets the connection, and the prefix of the keys if you need another one.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder, Action<RedisLockOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return builder.UseRedis((_, options) => configure(options));
    }

    /// <summary>Keeps the locks in the Redis that the options describe. The services of the host are available to configure them.</summary>
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
        builder.Services.AddHostedService<StartCheck>();
        return builder;
    }

    /// <summary>
    /// Keeps the locks in the Redis of the <see cref="IConnectionMultiplexer"/> that is registered in the host's services. The host still
    /// owns it. If the options also have a <see cref="RedisLockOptions.ConnectionMultiplexerFactory"/>, JobLocking uses that instead.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseRedis(this JobLockingBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseConnection(new RegisteredConnection(builder.Services, serviceKey: null));
    }

    /// <summary>
    /// Keeps the locks in the Redis of the <see cref="IConnectionMultiplexer"/> that is registered in the host's services with this key.
    /// The host still owns it. If the options also have a <see cref="RedisLockOptions.ConnectionMultiplexerFactory"/>, JobLocking uses that
    /// instead.
    /// </summary>
    /// <remarks>It is not an overload of <c>UseRedis</c>, because a string key would be mistaken for a connection string.</remarks>
    /// <param name="builder">The builder.</param>
    /// <param name="serviceKey">
    /// The key with which the connection is registered: <c>AddKeyedSingleton&lt;IConnectionMultiplexer&gt;("locks", …)</c>.
    /// </param>
    /// <returns>The same builder.</returns>
    public static JobLockingBuilder UseKeyedRedis(this JobLockingBuilder builder, object serviceKey)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(serviceKey);
        return builder.UseConnection(new RegisteredConnection(builder.Services, serviceKey));
    }

    private static JobLockingBuilder UseConnection(this JobLockingBuilder builder, RegisteredConnection connection)
    {
        builder.UseRedis(static (_, _) => { });

        // PostConfigure runs after everything else that configures the options, so it sees the final values.
        builder.Services.AddOptions<RedisLockOptions>().PostConfigure<IServiceProvider>(connection.Offer);
        return builder;
    }
}
