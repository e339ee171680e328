using System.Globalization;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Keys;

/// <summary>The other keys of a lock, in its slot. Their common beginning is created once for all of them.</summary>
internal readonly struct DerivedKeys(byte[] slot)
{
    /// <summary>The last fencing token.</summary>
    public RedisKey Fence => Key(":fence");

    /// <summary>The waiting queue: waiter id → since when, in µs of the server.</summary>
    public RedisKey Queue => Key(":queue");

    /// <summary>The waiters in the queue: waiter id → <see cref="WaiterValue"/>.</summary>
    public RedisKey Waiters => Key(":waiters");

    /// <summary>The holders of a lock with a limit above 1: lease id → <see cref="LockValue"/>.</summary>
    public RedisKey Holders => Key(":holders");

    /// <summary>The limits that the holders know: lease id → limit.</summary>
    public RedisKey Limits => Key(":limits");

    /// <summary>The mark of a spent deferral: the lease that was granted for it.</summary>
    public RedisKey Spent(string deferral) => Key($":spent:{deferral}");

    /// <summary>The mark of an occurrence. Each part is escaped and contains no slash: no two occurrences have the same key.</summary>
    public RedisKey Occurrence(LockOccurrence occurrence) => Key(occurrence.StoredJob.Length > 0
        ? $"@job/{Part(occurrence.StoredJob)}"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"@{Part(occurrence.Application)}/{Part(occurrence.Scheduler)}/{Part(occurrence.Job)}/{Part(occurrence.Trigger)}"
            + $"/{occurrence.ScheduledTime.UtcDateTime:O}"));

    private static string Part(string text) => Uri.EscapeDataString(text);

    private RedisKey Key(string what) => ((RedisKey)what).Prepend(slot);
}
