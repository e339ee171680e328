namespace JobLocking.Benchmarks.Rivals;

/// <summary>The names under which contenders stand in the table.</summary>
internal static class Contender
{
    public const string JobLocking = "JobLocking";

    /// <summary>Our very scripts, sent by hand through StackExchange.Redis, and nothing around them.</summary>
    public const string Raw = "raw";

    /// <summary>The same by the hash of the script, which nobody loads again for the caller when the server has forgotten it.</summary>
    public const string RawByHash = "raw by hash";

    /// <summary>SET NX, and compare-and-delete: what a lock costs that neither fences nor queues.</summary>
    public const string RawSetNx = "raw SET NX";

    public const string DistributedLock = "DistributedLock.Redis";

    public const string RedLock = "RedLock.net";

    public const string LockTake = "LockTake/LockRelease";
}
