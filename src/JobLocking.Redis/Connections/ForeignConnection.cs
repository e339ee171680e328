using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// A connection that the application made. If it was made through sentinels, JobLocking cannot follow them: the sockets belong to the
/// client library, which writes to the first of two primaries that it knows, whatever the sentinels say.
/// </summary>
internal static class ForeignConnection
{
    /// <exception cref="TaskLockException">It was made through sentinels, and the options do not allow that.</exception>
    public static IConnectionMultiplexer Checked(IConnectionMultiplexer theirs, RedisLockOptions options) =>
        !options.AllowForeignSentinelConnection && ServiceOf(theirs) is { } service
            ? throw new TaskLockException(
                $"The IConnectionMultiplexer for the locks was made through the sentinels of service '{service}'. After a failover it "
                + "writes to the old primary for about 10 s: two executions may hold one lock, and leases are lost. "
                + $"Fix: UseRedis(\"<sentinels>,serviceName={service}\"), so that JobLocking makes its own connection and follows the "
                + "sentinels, or set RedisLockOptions.AllowForeignSentinelConnection to true to accept that.")
            : theirs;

    private static string? ServiceOf(IConnectionMultiplexer theirs)
    {
        try
        {
            string? service = ConfigurationOptions.Parse(theirs.Configuration ?? "", ignoreUnknown: true).ServiceName;
            return string.IsNullOrEmpty(service) ? null : service;
        }
        catch (ArgumentException)
        {
            return null; // It shows no configuration that can be read, for instance because it is a wrapper.
        }
    }
}
