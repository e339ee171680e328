using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// The prefix of all channel names as the server sees it, for the scripts that publish. The connection may have a channel prefix of its
/// own, which comes before ours.
/// </summary>
internal sealed class ChannelPrefix(RedisChannel prefix)
{
    private volatile byte[]? _known;

    /// <summary>Null until the server was asked, once: a connection that replaces another has the same prefix.</summary>
    public byte[]? Known => _known;

    // A connection that the application made may wrap another, so the server is asked, with a command that StackExchange.Redis sends
    // when it connects. If that is disabled or forbidden, the configuration has to be enough: otherwise no lock could be released.
    public async Task<byte[]> AskAsync(IDatabase database)
    {
        try
        {
            return _known = (byte[])(await database.ExecuteAsync("ECHO", prefix).ConfigureAwait(false))!;
        }
        catch (Exception error) when (error is RedisCommandException or RedisServerException)
        {
            RedisChannel configured = ConfigurationOptions.Parse(database.Multiplexer.Configuration, ignoreUnknown: true).ChannelPrefix;
            return _known = [.. (byte[]?)configured ?? [], .. (byte[])prefix!];
        }
    }
}
