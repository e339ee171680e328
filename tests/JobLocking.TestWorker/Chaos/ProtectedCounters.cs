using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// The resource that a lock protects: two counters on a Redis of their own, which no fault reaches. Each is changed in two steps that
/// another execution may get between. <em>Plain</em> is protected only by the lock; <em>fenced</em> refuses a smaller token than it has
/// seen, at either step, as a resource must if it has to be safe from a late holder.
/// </summary>
internal sealed class ProtectedCounters(IDatabase database)
{
    private const string Open = """
        if tonumber(redis.call('HGET', KEYS[1], 'token') or '0') > tonumber(ARGV[1]) then return nil end
        redis.call('HSET', KEYS[1], 'token', ARGV[1])
        return redis.call('HGET', KEYS[1], 'count') or '0'
        """;

    private const string Save = """
        if tonumber(redis.call('HGET', KEYS[1], 'token') or '0') > tonumber(ARGV[1]) then return 0 end
        redis.call('HSET', KEYS[1], 'count', ARGV[2])
        return 1
        """;

    public static string PlainKey(string name) => $"plain:{name}";

    public static string FencedKey(string name) => $"fenced:{name}";

    public async Task AddPlainAsync(string name, Func<Task> between)
    {
        long count = (long)await database.StringGetAsync(PlainKey(name));
        await between();
        await database.StringSetAsync(PlainKey(name), count + 1);
    }

    /// <returns>False if it was refused.</returns>
    public async Task<bool> AddFencedAsync(string name, long token, Func<Task> between)
    {
        RedisResult count = await database.ScriptEvaluateAsync(Open, [FencedKey(name)], [token]);
        if (count.IsNull)
        {
            return false;
        }

        await between();
        return (bool)await database.ScriptEvaluateAsync(Save, [FencedKey(name)], [token, (long)count + 1]);
    }
}
