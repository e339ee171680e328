using StackExchange.Redis;

namespace JobLocking.Redis;

/// <summary>How to reach the Redis that keeps the locks. Exactly one of the first three is to be given.</summary>
/// <remarks>
/// A <c>ChannelPrefix</c> of the connection counts, and has to be the same in all processes: who has another is told of a
/// break by its next renewal only, and of its turn by its next look.
/// </remarks>
public sealed class RedisLockOptions
{
    /// <summary>The connection as StackExchange.Redis reads it: <c>localhost:6379</c>.</summary>
    public string? Configuration { get; set; }

    /// <summary>The connection as options of StackExchange.Redis. A copy is used, with <c>AbortOnConnectFail</c> off: a Redis that is down must not keep the host from starting, and is found when it comes up. It is connected again quickly after a restart, unless <c>ReconnectRetryPolicy</c> is set to something else than an <c>ExponentialRetry</c>.</summary>
    public ConfigurationOptions? ConfigurationOptions { get; set; }

    /// <summary>Gives a connection that somebody else made and will dispose. Called once; again only after it failed.</summary>
    public Func<Task<IConnectionMultiplexer>>? ConnectionMultiplexerFactory { get; set; }

    /// <summary>What stands before the name of a lock in its key. Processes exclude each other only under the same prefix.</summary>
    /// <value>Default <c>task_lock:</c>; not empty, without braces.</value>
    public string KeyPrefix { get; set; } = "task_lock:";

    /// <summary>Why <c>UseRedis()</c> or <c>UseKeyedRedis()</c> found no connection among the services of the host; null if it found one.</summary>
    internal string? MissingConnection { get; set; }
}
