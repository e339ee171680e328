using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Has a connection of our own come back soon after its server does. By default StackExchange.Redis tries again after more than
/// 2.5 seconds, and checks each second whether it should: a restart of half a second costs three. The first tries follow quickly, for a
/// server on the same network; since a try also ends one that is still connecting, the pauses grow, up to the default, for one that is far
/// away.
/// </summary>
internal sealed class QuickReconnect(TimeSpan longest) : IReconnectRetryPolicy
{
    private const double Growth = 1.2;

    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(50);

    public static void Apply(ConfigurationOptions configuration)
    {
        if (configuration.HeartbeatInterval > Shortest)
        {
            configuration.HeartbeatInterval = Shortest;
        }

        // Another policy is the user's own.
        if (configuration.ReconnectRetryPolicy is ExponentialRetry)
        {
            configuration.ReconnectRetryPolicy = new QuickReconnect(TimeSpan.FromMilliseconds(configuration.ConnectTimeout / 2));
        }
    }

    public bool ShouldRetry(long currentRetryCount, int timeElapsedMillisecondsSinceLastRetry) =>
        timeElapsedMillisecondsSinceLastRetry
            >= Math.Min(longest.TotalMilliseconds, Shortest.TotalMilliseconds * Math.Pow(Growth, currentRetryCount));
}
