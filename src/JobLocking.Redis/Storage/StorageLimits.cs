namespace JobLocking.Redis.Storage;

/// <summary>How much the store sends in one request, and how much at once.</summary>
internal static class StorageLimits
{
    /// <summary>Leases in one renewal script. While it runs, the server serves no other client.</summary>
    public const int RenewalBatch = 100;

    /// <summary>Renewal scripts on their way to one server: another request waits behind no more than these.</summary>
    public const int RenewalBatchesAtOnce = 4;

    /// <summary>How many waiters one release notifies although no process listens. In a cluster the listeners cannot be counted.</summary>
    public const int UnheardWakeUps = 100;

    /// <summary>Keys that the server examines before it answers a SCAN: most keys of a server may not be locks.</summary>
    public const int ScannedKeys = 1000;

    /// <summary>Locks whose values are read in one go when locks are listed.</summary>
    public const int ListedLocks = 250;
}
