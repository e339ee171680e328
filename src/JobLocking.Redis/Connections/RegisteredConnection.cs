using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>A connection that the host has registered among its services: the one without a key, or the one with a key.</summary>
/// <param name="registered">All services of the host, for the message that names other connections.</param>
/// <param name="serviceKey">The key of the connection; null for the one without a key.</param>
internal sealed class RegisteredConnection(IServiceCollection registered, object? serviceKey)
{
    /// <summary>Sets this connection in the options, unless they have one; sets an error message if it is not registered.</summary>
    public void Offer(RedisLockOptions options, IServiceProvider services)
    {
        if (options.ConnectionMultiplexerFactory is not null)
        {
            return;
        }

        if (IsRegistered(services))
        {
            options.ConnectionMultiplexerFactory = () => Task.FromResult(serviceKey is null
                ? services.GetRequiredService<IConnectionMultiplexer>()
                : services.GetRequiredKeyedService<IConnectionMultiplexer>(serviceKey));
        }
        else
        {
            options.MissingConnection = Missing();
        }
    }

    private static string Call(object? key) => key switch
    {
        null => "UseRedis()",
        string text => $"UseKeyedRedis(\"{text}\")",
        _ => $"UseKeyedRedis({key})",
    };

    // A container that cannot answer is assumed to have it.
    private bool IsRegistered(IServiceProvider services) => serviceKey is null
        ? services.GetService<IServiceProviderIsService>()?.IsService(typeof(IConnectionMultiplexer)) ?? true
        : services.GetService<IServiceProviderIsKeyedService>()?.IsKeyedService(typeof(IConnectionMultiplexer), serviceKey) ?? true;

    private string Missing()
    {
        object?[] others = [.. registered.Where(s => s.ServiceType == typeof(IConnectionMultiplexer)).Select(s => s.ServiceKey).Distinct()];
        string calls = string.Join(" or ", others.Select(Call));
        string which = serviceKey is null ? "without a key" : "with this key";
        string fix = others.Length > 0 ? $"{calls}, for what is registered" : "register one";
        return $"{Call(serviceKey)} finds no IConnectionMultiplexer {which} among the services. "
            + $"Fix: {fix}, or pass the connection, for example UseRedis(\"localhost:6379\").";
    }
}
