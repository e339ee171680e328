using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Gives a connection two threads of its own for each server, to read and to write, and no connection for messages. By default
/// StackExchange.Redis uses the thread pool: while jobs block all threads of the pool, no answer arrives, and leases are lost although
/// Redis works.
/// </summary>
/// <remarks>
/// StackExchange.Redis has a public switch, the feature flag <c>DedicatedThreads</c>, for all connections of the process. It sets an
/// internal property of each connection. That property is set here for our connection only. A version without it works as by default.
/// </remarks>
internal static class DedicatedThreads
{
    [DynamicDependency(DynamicallyAccessedMemberTypes.NonPublicProperties, typeof(ConfigurationOptions))]
    public static void UseFor(ConfigurationOptions configuration)
    {
        PropertyInfo? mode = typeof(ConfigurationOptions).GetProperty("WriteMode", BindingFlags.Instance | BindingFlags.NonPublic);
        if (mode is { PropertyType.IsEnum: true, CanWrite: true } && Enum.TryParse(mode.PropertyType, "Sync", out object? sync))
        {
            mode.SetValue(configuration, sync);
        }

        // No message is published to this connection. Another map is the user's own.
        if (configuration.CommandMap == CommandMap.Default)
        {
            configuration.CommandMap = CommandMap.Create(["SUBSCRIBE"], available: false);
        }
    }
}
