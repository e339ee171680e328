using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Reconnects a connection that JobLocking made soon after its server is back. By default StackExchange.Redis tries again after more than
/// 2.5 seconds, and checks once a second whether that time has come: a restart of half a second costs three seconds. Here the first
/// attempts follow quickly, for a server on the same network. An attempt also ends one that is still connecting, so the pauses grow up to
/// the default, for a server that is far away.
/// </summary>
internal sealed class QuickReconnectPolicy(TimeSpan longest) : IReconnectRetryPolicy
{
    private const double Growth = 1.2;

    public static void Apply(ConfigurationOptions configuration)
    {
        if (configuration.HeartbeatInterval > ConnectionTimes.ShortestReconnect)
        {
            configuration.HeartbeatInterval = ConnectionTimes.ShortestReconnect;
        }

        // Another policy is the user's own.
        if (configuration.ReconnectRetryPolicy is ExponentialRetry)
        {
            configuration.ReconnectRetryPolicy = new QuickReconnectPolicy(TimeSpan.FromMilliseconds(configuration.ConnectTimeout / 2));
        }
    }

    public bool ShouldRetry(long currentRetryCount, int timeElapsedMillisecondsSinceLastRetry) =>
        timeElapsedMillisecondsSinceLastRetry >= Math.Min(
            longest.TotalMilliseconds, ConnectionTimes.ShortestReconnect.TotalMilliseconds * Math.Pow(Growth, currentRetryCount));
}
