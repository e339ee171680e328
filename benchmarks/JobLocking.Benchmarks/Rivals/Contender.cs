namespace JobLocking.Benchmarks.Rivals;

/// <summary>The names of the contenders in the table.</summary>
internal static class Contender
{
    public const string JobLocking = "JobLocking";

    /// <summary>Our scripts, sent by hand through StackExchange.Redis, with nothing around them.</summary>
    public const string Raw = "raw";

    /// <summary>The same by the hash of the script, which is not loaded again if the server has forgotten it.</summary>
    public const string RawByHash = "raw by hash";

    /// <summary>SET NX, and compare-and-delete: the cost of a lock without a fencing token and without a queue.</summary>
    public const string RawSetNx = "raw SET NX";

    public const string DistributedLock = "DistributedLock.Redis";

    public const string RedLock = "RedLock.net";

    public const string LockTake = "LockTake/LockRelease";
}
