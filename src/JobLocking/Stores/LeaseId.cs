using System.Buffers.Text;
using System.Security.Cryptography;

namespace JobLocking.Stores;

/// <summary>Ids that cannot be guessed, and that no two processes share.</summary>
internal static class LeaseId
{
    private const int Size = 16;

    private const int Ahead = 32;

    // Filled for many ids at once: the generator takes about as long for one.
    [ThreadStatic]
    private static byte[]? _ahead;

    [ThreadStatic]
    private static int _left;

    public static string New()
    {
        byte[] ahead = _ahead ??= new byte[Ahead * Size];
        if (_left == 0)
        {
            RandomNumberGenerator.Fill(ahead);
            _left = Ahead;
        }

        return Base64Url.EncodeToString(ahead.AsSpan(--_left * Size, Size));
    }
}
