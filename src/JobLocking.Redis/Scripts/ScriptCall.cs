using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>A script, and what it is given.</summary>
/// <remarks>
/// <paramref name="Publishes"/>, of a script that publishes, is the place among the values where it is told what comes before
/// the process id in the name of a channel, and next to it how many may be told of their turn in vain. Who sends it fills
/// them in.
/// </remarks>
internal readonly record struct ScriptCall(LockScript Script, RedisKey[] Keys, RedisValue[] Values, int? Publishes = null)
{
    /// <summary>Upwards: a lease must not end in Redis before it ends for its holder.</summary>
    public static long Milliseconds(TimeSpan span) => Math.Max(1, (long)Math.Ceiling(span.TotalMilliseconds));
}
