using JobLocking.Redis.Keys;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>Finds out whether a server takes writes, by a write that changes nothing: the expiry of a key that does not exist.</summary>
internal static class WriteProbe
{
    /// <summary>Fails as the server says, also at a replica: the client library does not inspect a script.</summary>
    public static Task<RedisResult> SendAsync(IServer server, LockKeys keys) =>
        server.ExecuteAsync("EVAL", "return redis.call('PEXPIRE', KEYS[1], '1')", 1, keys.Lock(LockKeys.CheckName("", 0, 0)));
}
