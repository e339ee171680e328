using System.Globalization;
using System.Text;
using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>
/// The names of keys. All keys of a lock hash to one slot: neither prefix nor name contains a brace, so the key of the lock is hashed as
/// a whole, and the derived keys have that whole in braces.
/// </summary>
internal sealed class LockKeys(string prefix)
{
    private const string Checks = "joblocking:check:";

    // As bytes, which a key takes as they are: the key of a lock needs no new string.
    private readonly RedisKey _prefix = Encoding.UTF8.GetBytes(prefix);

    public ChannelNames Channels { get; } = new(prefix);

    /// <summary>
    /// The name of a lock that a check acquires. Its keys have the prefix of all locks, so that the same rights apply; lists omit it.
    /// </summary>
    public static string CheckName(string processId, int check, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"{Checks}{processId}:{check}:{attempt}");

    public RedisKey Lock(string name) => ((RedisKey)name).Prepend(_prefix);

    public DerivedKeys Derived(string name) => new(Encoding.UTF8.GetBytes($"{{{prefix}{name}}}"));

    /// <summary>
    /// A pattern for SCAN that finds the locks whose names have this beginning, and nothing else: derived keys start with a brace.
    /// </summary>
    public string Pattern(string? namePrefix) =>
        string.Concat((prefix + namePrefix).Select(c => c is '*' or '?' or '[' or ']' or '\\' ? $"\\{c}" : $"{c}")) + "*";

    public bool IsLock(string key) => key.StartsWith(prefix, StringComparison.Ordinal);

    public string Name(RedisKey @lock) => ((string)@lock!)[prefix.Length..];

    /// <summary>The name of the lock with this key; null for a key that no lock has, and for the lock of a check.</summary>
    public string? NameOfLock(RedisKey key)
    {
        string name = Name(key);
        return name.AsSpan().ContainsAny('{', '}') || name.StartsWith(Checks, StringComparison.Ordinal) || Lock(name) != key ? null : name;
    }
}
