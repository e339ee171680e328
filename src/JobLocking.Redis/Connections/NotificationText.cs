using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Stores;

namespace JobLocking.Redis.Connections;

/// <summary>
/// The messages that scripts publish to a process: <c>broken:&lt;lease id&gt;</c>, or
/// <c>wake:&lt;waiter id&gt;:&lt;how long the lock is still kept, ms&gt;:&lt;key of the lock&gt;</c>, or <c>ping</c>, which says nothing:
/// the script counts the processes that receive it.
/// </summary>
internal static class NotificationText
{
    /// <summary>The notification, or null for a message that says nothing or that none of our scripts publishes.</summary>
    public static LockNotification? Read(string text, LockKeys keys) => text.Split(':', 4) switch
    {
        ["broken", { Length: > 0 } leaseId] => new LockNotification.Broken(leaseId),
        ["wake", { Length: > 0 } waiterId, { } after, { } key]
            when int.TryParse(after, NumberStyles.None, CultureInfo.InvariantCulture, out int ms) && keys.IsLock(key) =>
                new LockNotification.WakeUp(keys.Name(key), waiterId, TimeSpan.FromMilliseconds(ms)),
        _ => null,
    };
}
