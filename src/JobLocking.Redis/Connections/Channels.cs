using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// What stands before the id of a process in the name of its channel, as the server sees it: a script that publishes has to
/// be told. The connection may put a prefix before its channels, which only it knows.
/// </summary>
internal sealed class Channels(RedisChannel prefix)
{
    private volatile byte[]? _asTheServerSeesIt;

    /// <summary>Null until the server was asked, once: a connection that is made again has the same prefix.</summary>
    public byte[]? Prefix => _asTheServerSeesIt;

    // A connection that the application made may wrap another, so the server is asked, with a command that StackExchange.Redis also uses
    // to connect. Where that is disabled or forbidden, the configuration is believed: otherwise nothing could be released.
    public async Task<byte[]> AskAsync(IDatabase database)
    {
        try
        {
            return _asTheServerSeesIt = (byte[])(await database.ExecuteAsync("ECHO", prefix).ConfigureAwait(false))!;
        }
        catch (Exception error) when (error is RedisCommandException or RedisServerException)
        {
            RedisChannel configured = ConfigurationOptions.Parse(database.Multiplexer.Configuration, ignoreUnknown: true).ChannelPrefix;
            return _asTheServerSeesIt = [.. (byte[]?)configured ?? [], .. (byte[])prefix!];
        }
    }
}
