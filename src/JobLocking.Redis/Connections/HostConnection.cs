using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>The connection among the services of the host: the plain one, or the one with a key.</summary>
/// <param name="registered">What the host has registered, to name in a message.</param>
/// <param name="serviceKey">The key of the connection; null for the plain one.</param>
internal sealed class HostConnection(IServiceCollection registered, object? serviceKey)
{
    /// <summary>Gives the options this connection, unless they have one by now; says what is missing if there is none.</summary>
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

    // A container that does not tell is believed to have it.
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
