using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The triggers of a scheduler of which a warning has said that each node runs their occurrences by itself: at start, or at the first
/// firing of one that was added later.
/// </summary>
internal sealed class ToldTriggers
{
    /// <summary>A scheduler may be given new triggers without end. After so many warnings the cause is known.</summary>
    private const int Most = 1000;

    private readonly ConcurrentDictionary<TriggerKey, bool> _told = [];

    /// <summary>Whether the trigger is to be reported now.</summary>
    public bool Add(TriggerKey trigger) => !_told.ContainsKey(trigger) && _told.Count < Most && _told.TryAdd(trigger, true);
}
