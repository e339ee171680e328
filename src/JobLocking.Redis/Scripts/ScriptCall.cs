using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>A script with its keys and arguments.</summary>
/// <remarks>
/// <paramref name="ChannelPrefixAt"/> is the index of the channel-prefix argument, for a script that publishes; the next argument limits
/// notifications that no process receives. <see cref="SetChannelPrefix"/> fills in both.
/// </remarks>
internal readonly record struct ScriptCall(LockScript Script, RedisKey[] Keys, RedisValue[] Values, int? ChannelPrefixAt = null)
{
    public bool Publishes => ChannelPrefixAt is not null;

    /// <summary>Rounds up: a lease must not end in Redis before it ends for its holder.</summary>
    public static long Milliseconds(TimeSpan span) => Math.Max(1, (long)Math.Ceiling(span.TotalMilliseconds));

    /// <summary>Fills in what only the sender of a call knows.</summary>
    /// <param name="prefix">The prefix of all channel names, as the server sees it.</param>
    /// <param name="mostUnheard">How many waiters may be notified although no process seems to listen.</param>
    public void SetChannelPrefix(byte[] prefix, int mostUnheard)
    {
        Values[ChannelPrefixAt!.Value] = prefix;
        Values[ChannelPrefixAt.Value + 1] = mostUnheard;
    }
}
