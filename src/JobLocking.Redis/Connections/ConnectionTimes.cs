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

    /// <summary>How often each sentinel is asked which server is the primary.</summary>
    public static readonly TimeSpan SentinelsAreAsked = TimeSpan.FromSeconds(1);

    /// <summary>Each so many answers, a sentinel is also asked for the replicas and for the other sentinels.</summary>
    public const int AnswersUntilDiscovery = 10;

    /// <summary>A sentinel that takes longer to connect or to answer counts as silent.</summary>
    public static readonly TimeSpan LongestSentinelAnswer = TimeSpan.FromSeconds(1);

    /// <summary>Which server is the primary is decided by answers that are not older than this.</summary>
    public static readonly TimeSpan SentinelAnswerIsFresh = TimeSpan.FromSeconds(3);

    /// <summary>If no sentinel has answered for this time, the check reports it.</summary>
    public static readonly TimeSpan SentinelsAreSilent = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A promotion that no sentinel has confirmed for this time counts as given up, if the sentinel that began it does not answer either.
    /// </summary>
    public static readonly TimeSpan LongestPromotion = TimeSpan.FromSeconds(15);

    /// <summary>A request waits for the end of a pause for this time. A planned failover takes about one second.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>
    /// After a failover NOREPLICAS is tried again for this time: the new primary refuses writes until the other replicas have connected
    /// to it.
    /// </summary>
    public static readonly TimeSpan WithoutReplicas = TimeSpan.FromSeconds(2);

    /// <summary>The pause between two such attempts.</summary>
    public static readonly TimeSpan WithoutReplicasPause = TimeSpan.FromMilliseconds(20);
}
