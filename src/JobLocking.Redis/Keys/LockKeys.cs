using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>
/// The names of keys and channels. All keys of a lock hash to its slot: neither prefix nor name has a brace, so the lock
/// hashes as a whole, and the keys beside it have that whole in braces.
/// </summary>
internal sealed class LockKeys(string prefix)
{
    private const string Checks = "joblocking:check:";

    // As bytes, which a key takes as they are: nothing has to be put together for the key of a lock.
    private readonly RedisKey _prefix = Encoding.UTF8.GetBytes(prefix);

    private readonly string _channels = prefix + "process:";

    /// <summary>What comes before the process id in the name of its channel.</summary>
    public RedisChannel Channels => RedisChannel.Literal(_channels);

    /// <summary>
    /// The name of a lock that a check takes. Its keys are where those of other locks are, so that the same rights apply; lists
    /// leave it out.
    /// </summary>
    public static string CheckName(string processId, int check, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"{Checks}{processId}:{check}:{attempt}");

    public RedisKey Lock(string name) => ((RedisKey)name).Prepend(_prefix);

    public DerivedKeys Derived(string name) => new(Encoding.UTF8.GetBytes($"{{{prefix}{name}}}"));

    public RedisChannel Channel(string processId) => RedisChannel.Literal(_channels + processId);

    /// <summary>What SCAN has to match to find the locks whose names start so. Nothing else does: the keys beside a lock start with a brace.</summary>
    public string Pattern(string? namePrefix) => string.Concat((prefix + namePrefix).Select(c => c is '*' or '?' or '[' or ']' or '\\' ? $"\\{c}" : $"{c}")) + "*";

    public bool IsLock(string key) => key.StartsWith(prefix, StringComparison.Ordinal);

    public string Name(RedisKey @lock) => ((string)@lock!)[prefix.Length..];

    /// <summary>The name of the lock with this key; null for a key that no lock has, whoever left it there, and for the lock of a check.</summary>
    public string? NameOfLock(RedisKey key)
    {
        string name = Name(key);
        return name.AsSpan().ContainsAny('{', '}') || name.StartsWith(Checks, StringComparison.Ordinal) || Lock(name) != key ? null : name;
    }
}
