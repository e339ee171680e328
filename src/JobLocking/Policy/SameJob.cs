using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace JobLocking.Policy;

/// <summary>
/// Makes the <c>LockExecution.Identity</c>, by which executions are known to be the same job. The parts are
/// the full type and method without assembly versions, which differ during a deployment, the recurring id or job key, the
/// arguments or job data, and the scheduler installation without its node. Never a connection string or an object.
/// </summary>
public static class SameJob
{
    /// <summary>Stands for the node in the name of a scheduler.</summary>
    private const string Node = "~";

    /// <summary>A shorter name of a node may be part of other words by chance.</summary>
    private const int LongEnough = 4;

    /// <summary>One text for all parts.</summary>
    /// <param name="parts">The parts, in a fixed order.</param>
    /// <returns>22 characters of base64url, others for other parts; null if a part is null: what is not known is never the same.</returns>
    public static string? Of(params ReadOnlySpan<string?> parts)
    {
        int length = 0;
        foreach (string? part in parts)
        {
            if (part is null)
            {
                return null;
            }

            length += sizeof(int) + Encoding.UTF8.GetByteCount(part);
        }

        byte[]? rented = null;
        Span<byte> text = length <= 512 ? stackalloc byte[512] : rented = ArrayPool<byte>.Shared.Rent(length);
        int end = 0;
        foreach (string? part in parts)
        {
            // The length comes first, so that no two sequences of parts give the same bytes.
            int bytes = Encoding.UTF8.GetBytes(part, text[(end + sizeof(int))..]);
            BinaryPrimitives.WriteInt32LittleEndian(text[end..], bytes);
            end += sizeof(int) + bytes;
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..end], hash);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return Base64Url.EncodeToString(hash[..16]);
    }

    /// <summary>A value of job data as a part: the same for equal values in every process.</summary>
    /// <param name="value">The value.</param>
    /// <returns>Its text; null if its type has none of its own.</returns>
    public static string? TextOf(object? value) => value is null ? "" : NameTemplate.Format(value);

    /// <summary>
    /// The name of a scheduler without the name of its node; the name itself if nothing else is left, which tells tenants apart.
    /// </summary>
    internal static string WithoutNode(string name, string node, string machine)
    {
        string without = WithoutAny(name, node, machine);
        return without.Any(char.IsLetterOrDigit) ? without : name;
    }

    private static string WithoutAny(string name, string node, string machine)
    {
        // The longer one first: one may contain the other.
        (string first, string second) = node.Length >= machine.Length ? (node, machine) : (machine, node);
        return Without(Without(name, first), second);
    }

    private static string Without(string name, string node)
    {
        int at = 0;
        while (node.Length > 0 && (at = name.IndexOf(node, at, StringComparison.OrdinalIgnoreCase)) >= 0)
        {
            // A name that may be an ordinary word counts only as a whole word: node "jobs" is not in "jobsystem", "web01" is in
            // "Quartzweb01".
            if (IsUnmistakable(node) || (!IsOfWord(name, at - 1) && !IsOfWord(name, at + node.Length)))
            {
                name = string.Concat(name.AsSpan(0, at), Node, name.AsSpan(at + node.Length));
            }

            at++;
        }

        return name;
    }

    private static bool IsUnmistakable(string node) => node.Length >= LongEnough && node.Any(char.IsAsciiDigit);

    private static bool IsOfWord(string name, int at) => at >= 0 && at < name.Length && char.IsLetterOrDigit(name[at]);
}
