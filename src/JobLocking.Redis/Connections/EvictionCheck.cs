using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Whether Redis may throw locks away when it runs out of memory: every lock has a time to live, so every policy but one
/// may. Asked by INFO, which works without admin mode and where CONFIG is forbidden; silent where INFO is, too.
/// </summary>
internal static class EvictionCheck
{
    public static async Task<string?> WarningAsync(IServer server)
    {
        string? memory;
        try
        {
            memory = (string?)await server.ExecuteAsync("INFO", "memory").ConfigureAwait(false);
        }
        catch (Exception error) when (error is RedisServerException or RedisCommandException)
        {
            return null;
        }

        const string Field = "maxmemory_policy:";
        string? policy = memory?.Split('\n').FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal))?[Field.Length..].Trim();
        return policy is null or "noeviction"
            ? null
            : $"Redis at {server.EndPoint} evicts keys when its memory is full (maxmemory-policy {policy}), and locks are among them: two holders at once. Fix: set maxmemory-policy to noeviction.";
    }
}
