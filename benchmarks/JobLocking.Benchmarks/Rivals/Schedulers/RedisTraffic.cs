namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The requests to Redis.</summary>
/// <param name="Storage">Requests of the scheduler's storage, and of the locks that are kept in it.</param>
/// <param name="Locks">Requests of JobLocking.</param>
/// <param name="Commands">What the server has executed for both, also within scripts.</param>
internal readonly record struct RedisTraffic(long Storage, long Locks, long Commands)
{
    public long Requests => Storage + Locks;

    public static RedisTraffic operator -(RedisTraffic after, RedisTraffic before) =>
        new(after.Storage - before.Storage, after.Locks - before.Locks, after.Commands - before.Commands);
}
