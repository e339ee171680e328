using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// What stands before the id of a process in the name of its channel, as the server sees it: a script that publishes has to
/// be told. The connection may put a prefix before its channels, which only it knows.
/// </summary>
internal sealed class Channels(RedisChannel prefix)
{
    private volatile byte[]? _asTheServerSeesIt;

    /// <summary>Asked of the server once: the connection, and its prefix, stay the same.</summary>
    public ValueTask<byte[]> PrefixAsync(IDatabase database) =>
        _asTheServerSeesIt is { } known ? new(known) : new(AskAsync(database));

    // ECHO is what StackExchange.Redis itself needs to connect.
    private async Task<byte[]> AskAsync(IDatabase database) =>
        _asTheServerSeesIt = (byte[])(await database.ExecuteAsync("ECHO", prefix).ConfigureAwait(false))!;
}
