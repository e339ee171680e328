namespace JobLocking.Waiting;

/// <summary>
/// The times and sizes of waiting in this process. The store has those of its queue: its capacity, and how long a wake-up of a poll may
/// take to be accepted (in Redis the scripts enqueue, unaccepted and offer; in memory MemoryQueue and MemoryLock).
/// </summary>
internal static class WaitingTimes
{
    /// <summary>The longest time between two safety polls of a lock that has waiters in this process.</summary>
    public static readonly TimeSpan LongestPollInterval = TimeSpan.FromSeconds(5);

    /// <summary>A poll comes at least this long after the end of a holder, so that the store has seen that end.</summary>
    public static readonly TimeSpan ShortestPollDelay = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// A poll comes at most this long after the end of a holder. The delay is random, so that not all processes poll at once.
    /// </summary>
    public static readonly TimeSpan LongestPollDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>How many waiters one poll checks in addition to the polled one, as the store allows.</summary>
    public const int MostOthers = 100;

    /// <summary>A woken execution that has not asked for its lock after this time lets the next waiter be woken.</summary>
    public static readonly TimeSpan AcceptedWithin = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The longest delay of a deferral, unless <c>DeferBy</c> is longer. The delay doubles each time and is needed only if no wake-up
    /// comes.
    /// </summary>
    public static readonly TimeSpan LongestDeferral = TimeSpan.FromMinutes(5);

    /// <summary>
    /// A deferral is kept in the waiting queue for this long after its delay. A scheduler starts what is due only every few seconds, or
    /// every few minutes; until then a wake-up still saves time.
    /// </summary>
    public static readonly TimeSpan LapseAfterDelay = TimeSpan.FromMinutes(5);

    /// <summary>
    /// An unlimited wait is entered into the queue for this long, and renewed by the safety poll, so that the entries of a dead process
    /// lapse.
    /// </summary>
    public static readonly TimeSpan LongestLapse = TimeSpan.FromMinutes(10);

    /// <summary>The shortest time for which the store remembers that a deferral was spent: a scheduler may start a copy late.</summary>
    public static readonly TimeSpan ShortestSpentMemory = TimeSpan.FromMinutes(15);

    /// <summary>The longest time for which the store remembers that a deferral was spent.</summary>
    public static readonly TimeSpan LongestSpentMemory = TimeSpan.FromHours(1);

    /// <summary>The time between two attempts to subscribe to the notifications of the store.</summary>
    public static readonly TimeSpan SubscribeInterval = TimeSpan.FromSeconds(1);
}
