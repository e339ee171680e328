using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>The names of the channels on which processes receive notifications: <c>task_lock:process:&lt;process id&gt;</c>.</summary>
internal sealed class ChannelNames(string keyPrefix)
{
    private readonly string _prefix = keyPrefix + "process:";

    /// <summary>What all names begin with; the process id follows.</summary>
    public RedisChannel Prefix => RedisChannel.Literal(_prefix);

    public RedisChannel Of(string processId) => RedisChannel.Literal(_prefix + processId);
}
