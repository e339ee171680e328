namespace JobLocking.Redis.Keys;

/// <summary>The lifetimes of the keys that no lease keeps alive.</summary>
internal static class KeyLifetimes
{
    /// <summary>
    /// How long the key of the last fencing token is kept after a grant, once the clock of the server has passed the token. Without the
    /// key the next token comes from the clock alone.
    /// </summary>
    public static readonly TimeSpan LastFencingToken = TimeSpan.FromHours(24);
}
