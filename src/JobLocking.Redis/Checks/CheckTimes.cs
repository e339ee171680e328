namespace JobLocking.Redis.Checks;

/// <summary>The times of a check.</summary>
internal static class CheckTimes
{
    /// <summary>
    /// The expiry of the lock that a check acquires: a process that dies in the middle of a check leaves nothing behind for longer.
    /// </summary>
    public static readonly TimeSpan Expiry = TimeSpan.FromSeconds(5);

    /// <summary>A notification that takes longer is a warning.</summary>
    public static readonly TimeSpan LongestDelivery = TimeSpan.FromSeconds(5);

    /// <summary>A larger difference between the clocks of this machine and the server is a warning.</summary>
    public static readonly TimeSpan LargestClockDifference = TimeSpan.FromSeconds(1);

    /// <summary>The default of min-replicas-max-lag, which is too long for a failover that takes a few seconds.</summary>
    public static readonly TimeSpan DefaultReplicaLag = TimeSpan.FromSeconds(10);

    /// <summary>The host waits this long at start for a connection that the application makes; it is checked later otherwise.</summary>
    public static readonly TimeSpan LongestForeignConnect = TimeSpan.FromSeconds(5);
}
