using System.Collections.Frozen;
using StackExchange.Redis;

namespace JobLocking.Redis.Errors;

/// <summary>
/// Tells the errors of a server apart by their text, which begins with a code. StackExchange.Redis 2, which this package supports,
/// has nothing else; from version 3 on an error has a <c>Kind</c>, which is read from the same text.
/// </summary>
internal static class ServerErrors
{
    /// <summary>About the state of the server or of the connection: the server sends them before it runs anything.</summary>
    private static readonly FrozenSet<string> BeforeAnythingRuns = FrozenSet.ToFrozenSet(
        [
            "ASK", "BUSY", "CLUSTERDOWN", "CROSSSLOT", "LOADING", "MASTERDOWN", "MAXCLIENTS", "MISCONF", "MOVED", "NOAUTH", "NOREPLICAS",
            "NOSCRIPT", "OOM", "READONLY", "TRYAGAIN", "WRONGPASS",
        ],
        StringComparer.Ordinal);

    /// <summary>No primary took the write: the server is not a primary, or it lacks replicas.</summary>
    public static bool IsWithoutPrimary(RedisServerException error) => Code(error) is "READONLY" or "MASTERDOWN" or "NOREPLICAS";

    public static bool IsOutOfMemory(RedisServerException error) => Code(error) is "OOM";

    /// <summary>The server does not know the script of this hash.</summary>
    public static bool IsForgottenScript(RedisServerException error) => Code(error) is "NOSCRIPT";

    /// <summary>CROSSSLOT, or the error of a proxy for the same reason: any that is not known to have another one.</summary>
    public static bool IsAboutKeys(RedisServerException error) => Code(error) is "CROSSSLOT" || !IsKnown(error);

    /// <summary>
    /// A script can fail half-way with any error that is not about the state of the server. Errors about rights and unknown commands
    /// name the script then.
    /// </summary>
    public static bool MayComeFromTheMiddleOfAScript(RedisServerException error) => IsAboutRights(error)
        ? error.Message.Contains("script: ", StringComparison.Ordinal)
        : !BeforeAnythingRuns.Contains(Code(error));

    private static bool IsKnown(RedisServerException error) => BeforeAnythingRuns.Contains(Code(error)) || IsAboutRights(error)
        || Code(error) is "WRONGTYPE" or "EXECABORT"
        || error.Message.Equals("ERR operation not permitted", StringComparison.OrdinalIgnoreCase);

    private static bool IsAboutRights(RedisServerException error) =>
        Code(error) is "NOPERM" || error.Message.StartsWith("ERR unknown command", StringComparison.OrdinalIgnoreCase);

    private static string Code(RedisServerException error) =>
        error.Message.IndexOf(' ', StringComparison.Ordinal) is var end and > 0 ? error.Message[..end] : error.Message;
}
