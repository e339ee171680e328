using JobLocking.Redis.Keys;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Finds out whether a server accepts writes, with a write that changes nothing: the expiry of a key that does not exist.
/// </summary>
internal static class WriteProbe
{
    /// <summary>Fails with the server's own error, also at a replica: the client library does not know what a script writes.</summary>
    public static Task<RedisResult> SendAsync(IServer server, LockKeys keys) =>
        server.ExecuteAsync("EVAL", "return redis.call('PEXPIRE', KEYS[1], '1')", 1, keys.Lock(LockKeys.CheckName("", 0, 0)));
}
