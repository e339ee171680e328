using System.Text.RegularExpressions;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>Finds texts that may contain a password, so that they are not shown.</summary>
internal static partial class SecretRedaction
{
    /// <summary>The exception of a user's factory may contain its input, including the connection string.</summary>
    public static bool MayBeIn(Exception error) => Given().IsMatch(error.ToString());

    /// <summary>Whether the name of a server in these options may be or contain a password: it is shown in errors and traces.</summary>
    public static bool MayBeServers(ConfigurationOptions options, string? configuration) =>
        options.EndPoints.OfType<System.Net.DnsEndPoint>().Any(server => server.Host.AsSpan().ContainsAny('@', '/'))
        || FollowServers(configuration ?? "");

    // A comma ends a password; the text after it is read as the name of a server.
    private static bool FollowServers(string configuration)
    {
        string[] parts = configuration.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        int password = Array.FindIndex(parts, part => part.StartsWith("password", StringComparison.OrdinalIgnoreCase));
        return password > 0 && parts[..password].Any(IsServer) && parts[password..].Any(IsServer);

        static bool IsServer(string part) => !part.Contains('=', StringComparison.Ordinal);
    }

    [GeneratedRegex(@"(password|passwd|pwd)\s*[=:]|://[^/\s]*@", RegexOptions.IgnoreCase)]
    private static partial Regex Given();
}
