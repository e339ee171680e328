namespace JobLocking.Redis.Connections;

/// <summary>The times of the connection and of the subscription.</summary>
internal static class ConnectionTimes
{
    /// <summary>A failed reconnect is tried again after this time at first.</summary>
    public static readonly TimeSpan ShortestReconnect = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// A connection without a primary is replaced after this time. A failover takes some seconds, and most connections find the new
    /// primary by themselves.
    /// </summary>
    public static readonly TimeSpan ReplaceAfter = TimeSpan.FromSeconds(10);

    /// <summary>How often a process checks its subscription. It asks the client library, and sends no command.</summary>
    public static readonly TimeSpan SubscriptionCheck = TimeSpan.FromSeconds(1);

    /// <summary>
    /// After this many checks without a subscription the loss is reported: a broken connection has usually recovered by then.
    /// </summary>
    public const int ChecksUntilReported = 5;

    /// <summary>Unsubscribing takes at most this long: a Redis that is frozen must not keep the host from stopping.</summary>
    public static readonly TimeSpan LongestUnsubscribe = TimeSpan.FromSeconds(1);

    /// <summary>How often the client looks up the primaries of a cluster, and searches for the successor of a lost one.</summary>
    public static readonly TimeSpan ClusterRefresh = TimeSpan.FromSeconds(1);

    /// <summary>How often the client library is asked which servers the connection has.</summary>
    public static readonly TimeSpan ServersAreCounted = TimeSpan.FromSeconds(1);
}
