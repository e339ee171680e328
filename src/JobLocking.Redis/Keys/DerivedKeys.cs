using System.Globalization;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>The keys beside a lock, in its slot. What they begin with is made once for all of them.</summary>
internal readonly struct DerivedKeys(byte[] slot)
{
    public RedisKey Fence => Key(":fence");

    /// <summary>The queue: waiter id → since when, in µs of the server.</summary>
    public RedisKey Queue => Key(":queue");

    /// <summary>Who waits in the queue: waiter id → <see cref="WaiterValue"/>.</summary>
    public RedisKey Waiters => Key(":waiters");

    /// <summary>Who holds a lock with a limit above 1: lease id → <see cref="LockValue"/>.</summary>
    public RedisKey Holders => Key(":holders");

    /// <summary>The limits they know: lease id → limit.</summary>
    public RedisKey Limits => Key(":limits");

    /// <summary>That a deferral was spent, and by which lease.</summary>
    public RedisKey Spent(string deferral) => Key($":spent:{deferral}");

    /// <summary>Each part is so escaped that it has no slash: no two occurrences have the same key.</summary>
    public RedisKey Occurrence(LockOccurrence occurrence) => Key(string.Create(
        CultureInfo.InvariantCulture,
        $"@{Part(occurrence.Application)}/{Part(occurrence.Scheduler)}/{Part(occurrence.Job)}/{occurrence.ScheduledTime.UtcDateTime:O}"));

    private static string Part(string text) => Uri.EscapeDataString(text);

    private RedisKey Key(string what) => ((RedisKey)what).Prepend(slot);
}
