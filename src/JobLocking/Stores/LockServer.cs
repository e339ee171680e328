namespace JobLocking.Stores;

/// <summary>The server that keeps a lock: while one is away, locks of other servers can be acquired.</summary>
/// <param name="Id">Equal for all locks that it keeps; logs show its text.</param>
/// <param name="IsConnected">Whether there is a connection to it. It may be frozen all the same.</param>
/// <param name="GoneFor">How long the connection has been gone; zero while there is one.</param>
/// <param name="Losses">How often the connection was lost.</param>
public readonly record struct LockServer(object Id, bool IsConnected, TimeSpan GoneFor = default, int Losses = 0)
{
    /// <summary>A store that is always there.</summary>
    public static LockServer AlwaysThere { get; } = new("the store", IsConnected: true);
}
