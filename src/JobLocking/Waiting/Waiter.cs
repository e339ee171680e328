using System.Globalization;
using JobLocking.Leasing;
using JobLocking.Stores;

namespace JobLocking.Waiting;

/// <summary>
/// One execution that waits for a lock, from before it asks the store until it has the lock or gives up. Its <see cref="Stage"/>
/// follows <see cref="WaiterStages"/>; only <see cref="LocalWaiters"/> changes a waiter, under its own lock.
/// </summary>
internal sealed class Waiter
{
    private Waiter(string id, long queuedSince, LeaseRequest wanted, TimeSpan lapsesAfter, bool isSpentOnce = false)
    {
        Id = id;
        QueuedSince = queuedSince;
        Wanted = wanted;
        LapsesAfter = lapsesAfter;
        Spends = isSpentOnce ? id : null;
    }

    public string Id { get; private set; }

    /// <summary>The deferral that its lease spends: an id that all copies of it share. Null where there can be no copies.</summary>
    public string? Spends { get; private set; }

    public LeaseRequest Wanted { get; }

    /// <summary>After this time the store drops its entry from the queue, if the entry is not renewed.</summary>
    public TimeSpan LapsesAfter { get; }

    public WaiterStage Stage { get; set; }

    /// <summary>When the store first entered it into the queue, by the store's clock; 0 if it never did.</summary>
    public long QueuedSince { get; set; }

    /// <summary>
    /// Whether the store had it in the queue, by its last answer. Not if the lock has room, and the waiter waits for the runner of its
    /// occurrence only.
    /// </summary>
    public bool IsQueued { get; set; }

    /// <summary>
    /// Whether the store certainly has no entry of it, so that there is none to take out and no wake-up to pass on: all that it has
    /// answered to a new waiter is that the occurrence runs or was run.
    /// </summary>
    public bool HasNoEntry { get; set; }

    /// <summary>Whether it begins to wait with this execution, and does not go on with the wait of a deferral.</summary>
    public bool IsNew { get; private init; }

    /// <summary>It also waits for the runner of its occurrence, by the store's last refusal.</summary>
    public bool StandsBy { get; set; }

    /// <summary>Lets the execution that waits in place resume; null if it never waited.</summary>
    public TaskCompletionSource? Signal { get; set; }

    /// <summary>Makes the scheduler start the deferral; null until one is stored.</summary>
    public Func<ValueTask<bool>>? StartDeferral { get; set; }

    /// <summary>When the deferral comes back by itself, in any process: from then on it may have an entry there.</summary>
    public long DueAt { get; set; }

    /// <summary>When it is forgotten, unless it waits in place.</summary>
    public long LapsesAt { get; set; }

    /// <summary>The order among the waiters of this process that the store does not know.</summary>
    public long Arrival { get; set; }

    /// <summary>When it has to be forgotten, or its entry has to be renewed.</summary>
    public long CareAt { get; set; }

    /// <summary>Listed in the <see cref="WaitersOfLock"/> of its lock.</summary>
    public bool IsListed { get; set; }

    /// <summary>The group in which it is polled for there; null while it does not wait.</summary>
    public PollGroup? Group { get; set; }

    /// <summary>Counted as a waiter by the metrics.</summary>
    public bool IsCounted { get; set; }

    /// <summary>Identifies the waiter in the next attempt of the execution, in any process: it keeps its position in the queue.</summary>
    public string Reference => string.Create(CultureInfo.InvariantCulture, $"{QueuedSince}:{Spends ?? Id}");

    /// <summary>Its entry in the store's queue.</summary>
    public WaiterEntry Entry => EntryFor(LapsesAfter);

    /// <summary>A copy that is deferred again comes back before it lapses, and a scheduler may be late.</summary>
    private TimeSpan SpentFor => TimeSpan.FromTicks(
        Math.Clamp(LapsesAfter.Ticks * 2, WaitingTimes.ShortestSpentMemory.Ticks, WaitingTimes.LongestSpentMemory.Ticks));

    /// <summary>Its entry, with another time after which it lapses.</summary>
    public WaiterEntry EntryFor(TimeSpan lapsesAfter) => new(Id, lapsesAfter, QueuedSince, Spends, SpentFor);

    /// <summary>An id of its own, since another execution came with the same reference.</summary>
    public void TakeNewId() => Id = LeaseId.New();

    /// <summary>
    /// Gives up the deferral that a lease may have spent without a run: the store may remember that, and the release that makes it
    /// forget may never arrive. From now on the execution waits as a deferral of its own. If there is a copy, both may run; with the old
    /// id perhaps neither would.
    /// </summary>
    public void SpendAnother() => Spends = Id = LeaseId.New();

    /// <summary>The id in a reference; null if there is none.</summary>
    public static string? IdOf(string? reference) =>
        reference?.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && colon + 1 < reference.Length
            ? reference[(colon + 1)..]
            : null;

    /// <summary>The waiter of a reference, or a new one at the end of the queue.</summary>
    /// <param name="wanted">The lease.</param>
    /// <param name="lapsesAfter">After this time the store drops its entry.</param>
    /// <param name="reference">The reference; null for a new waiter.</param>
    /// <param name="isSpentOnce">Only one of the executions that come with this reference may run.</param>
    public static Waiter For(LeaseRequest wanted, TimeSpan lapsesAfter, string? reference, bool isSpentOnce = false)
    {
        return IdOf(reference) is { } id
            && long.TryParse(reference.AsSpan(0, reference!.Length - id.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture,
                out long since)
            ? new Waiter(id, since, wanted, lapsesAfter, isSpentOnce)
            : new Waiter(LeaseId.New(), 0, wanted, lapsesAfter) { IsNew = true };
    }
}
