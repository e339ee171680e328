using System.Text;
using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>
/// The names of keys and channels. All keys of a lock hash to its slot: neither prefix nor name has a brace, so the lock
/// hashes as a whole, and the keys beside it have that whole in braces.
/// </summary>
internal sealed class LockKeys(string prefix)
{
    // As bytes, which a key takes as they are: nothing has to be put together for the key of a lock.
    private readonly RedisKey _prefix = Encoding.UTF8.GetBytes(prefix);

    private readonly string _channels = prefix + "process:";

    /// <summary>What comes before the process id in the name of its channel.</summary>
    public RedisChannel Channels => RedisChannel.Literal(_channels);

    public RedisKey Lock(string name) => ((RedisKey)name).Prepend(_prefix);

    public KeysBesideLock Beside(string name) => new(Encoding.UTF8.GetBytes($"{{{prefix}{name}}}"));

    public RedisChannel Channel(string processId) => RedisChannel.Literal(_channels + processId);

    /// <summary>What SCAN has to match to find the locks whose names start so. Nothing else does: the keys beside a lock start with a brace.</summary>
    public string Pattern(string? namePrefix) => string.Concat((prefix + namePrefix).Select(c => c is '*' or '?' or '[' or ']' or '\\' ? $"\\{c}" : $"{c}")) + "*";

    public bool IsLock(string key) => key.StartsWith(prefix, StringComparison.Ordinal);

    public string Name(RedisKey @lock) => ((string)@lock!)[prefix.Length..];
}
