using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Has a connection read and written by threads of its own, two for each server, and gives it no connection for messages. By
/// default StackExchange.Redis borrows the thread pool: while jobs block all threads of the pool, no answer arrives, and leases are
/// lost though Redis is well.
/// </summary>
/// <remarks>
/// StackExchange.Redis has a public switch, the feature flag <c>DedicatedThreads</c>, for all connections of the process. What
/// it switches is an internal property of each connection, which is set here, since other connections are not ours to change.
/// A version without the property works as it does by default.
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

        // Nothing is published to it. Another map is the user's own.
        if (configuration.CommandMap == CommandMap.Default)
        {
            configuration.CommandMap = CommandMap.Create(["SUBSCRIBE"], available: false);
        }
    }
}
