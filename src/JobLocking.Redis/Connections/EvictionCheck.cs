using JobLocking.Redis.Scripts;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Whether Redis may throw locks away when its memory is full: every lock has a time to live, so every policy but one may,
/// if there is a limit to its memory.
/// Silent where it cannot be seen.
/// </summary>
internal static class EvictionCheck
{
    public static async Task<string?> WarningAsync(IServer server)
    {
        string? policy;
        try
        {
            policy = (string?)await server.ExecuteAsync("EVAL", LockScripts.Eviction.Text, 0).ConfigureAwait(false);
        }
        catch (RedisServerException)
        {
            return null;
        }

        return policy is null or "noeviction"
            ? null
            : $"Redis at {server.EndPoint} evicts keys when its memory is full (maxmemory-policy {policy}), and locks are among them: two holders at once. Fix: set maxmemory-policy to noeviction.";
    }
}
