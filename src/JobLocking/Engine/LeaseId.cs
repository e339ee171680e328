using System.Buffers.Text;
using System.Security.Cryptography;

namespace JobLocking.Engine;

/// <summary>Ids that nobody can guess and that no two processes make alike.</summary>
internal static class LeaseId
{
    public static string New()
    {
        Span<byte> id = stackalloc byte[16];
        RandomNumberGenerator.Fill(id);
        return Base64Url.EncodeToString(id);
    }
}
