using System.Buffers.Text;

namespace JobLocking.Redis.Keys;

/// <summary>
/// The value of a lock: <c>&lt;lease id&gt;:&lt;token&gt;:&lt;process id&gt;:&lt;holder&gt;</c> while a lease holds it,
/// <c>kept:&lt;token&gt;::&lt;holder&gt;</c> while it is kept. Any other value is a foreign client's: then nothing is set here.
/// </summary>
internal readonly record struct LockValue(LockHolder? Holder, long? FencingToken, bool IsKept)
{
    public static LockValue Parse(ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> rest = value;
        ReadOnlySpan<byte> lease = Field(ref rest);
        ReadOnlySpan<byte> token = Field(ref rest);
        ReadOnlySpan<byte> process = Field(ref rest);
        bool isKept = lease.SequenceEqual("kept"u8);

        return isKept == process.IsEmpty
            && !token.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && Utf8Parser.TryParse(token, out long fencingToken, out _)
            && HolderJson.Read(rest) is { } holder
            ? new LockValue(holder, fencingToken, isKept)
            : default;
    }

    /// <summary>Takes the text before the next colon; empty if there is none.</summary>
    internal static ReadOnlySpan<byte> Field(ref ReadOnlySpan<byte> rest)
    {
        int end = rest.IndexOf((byte)':');
        ReadOnlySpan<byte> field = end < 0 ? default : rest[..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return field;
    }
}
