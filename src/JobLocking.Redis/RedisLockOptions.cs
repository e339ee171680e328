using StackExchange.Redis;

namespace JobLocking.Redis;

/// <summary>
/// The connection to the Redis that stores the locks. Set exactly one of <see cref="Configuration"/>, <see cref="ConfigurationOptions"/>
/// and <see cref="ConnectionMultiplexerFactory"/>.
/// </summary>
/// <remarks>
/// All processes must use the same <c>ChannelPrefix</c> of the connection. Otherwise they learn of a break only at the next renewal,
/// and of a wake-up only at the next safety poll.
/// </remarks>
public sealed class RedisLockOptions
{
    /// <summary>
    /// The connection string in the format of StackExchange.Redis: <c>localhost:6379</c>, or the sentinels of a service:
    /// <c>sentinel-1,sentinel-2,sentinel-3,serviceName=mymaster</c>.
    /// </summary>
    public string? Configuration { get; set; }

    /// <summary>
    /// The connection as options of StackExchange.Redis. JobLocking uses a copy with <c>AbortOnConnectFail</c> off, so that the host
    /// starts while Redis is down, and connects when Redis is up. After a restart of Redis it reconnects quickly, unless you set
    /// <c>ReconnectRetryPolicy</c> to something other than an <c>ExponentialRetry</c>.
    /// </summary>
    public ConfigurationOptions? ConfigurationOptions { get; set; }

    /// <summary>Returns a connection that your code owns and disposes. JobLocking calls it once, and again only if it failed.</summary>
    public Func<Task<IConnectionMultiplexer>>? ConnectionMultiplexerFactory { get; set; }

    /// <summary>The prefix of the name in the Redis key of a lock. Processes exclude each other only if they use the same prefix.</summary>
    /// <value>Default <c>task_lock:</c>; not empty, without braces.</value>
    public string KeyPrefix { get; set; } = "task_lock:";

    /// <summary>
    /// Accepts a connection of your code (<see cref="ConnectionMultiplexerFactory"/>, <c>UseRedis()</c>, <c>UseKeyedRedis()</c>) that was
    /// made with <c>serviceName</c>. After a failover such a connection writes to the old primary for about ten seconds: two executions may
    /// hold one lock, and leases are lost. A connection that JobLocking makes follows the sentinels.
    /// </summary>
    /// <value>Default false: the host does not start with such a connection.</value>
    public bool AllowForeignSentinelConnection { get; set; }

    /// <summary>
    /// Why <c>UseRedis()</c> or <c>UseKeyedRedis()</c> found no connection among the services of the host; null if it found one.
    /// </summary>
    internal string? MissingConnection { get; set; }
}
