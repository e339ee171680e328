using System.Globalization;
using JobLocking.Leasing;
using JobLocking.Stores;

namespace JobLocking.Waiting;

/// <summary>
/// The place of one execution in the queue of a lock, from before it asks until it has the lock or gives up: whoever has
/// its turn while nobody is there to take it (the answer is under way, the deferral is being stored) finds it remembered
/// here. What can change belongs to <see cref="LocalWaiters"/>.
/// </summary>
internal sealed class Waiter
{
    private static readonly TimeSpan ShortestMemory = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan LongestMemory = TimeSpan.FromHours(1);

    private Waiter(string id, long since, LeaseRequest wanted, TimeSpan patience, bool isSpentOnce = false)
    {
        Id = id;
        Since = since;
        Wanted = wanted;
        Patience = patience;
        Spends = isSpentOnce ? id : null;
    }

    public string Id { get; private set; }

    /// <summary>The deferral that its lease spends, an id that all copies of the deferral have in their tickets; null where there can be no copies.</summary>
    public string? Spends { get; private set; }

    public LeaseRequest Wanted { get; }

    /// <summary>After which time the store forgets the place.</summary>
    public TimeSpan Patience { get; }

    /// <summary>Since when it is parked, by the store's clock; 0 if it never was.</summary>
    public long Since { get; set; }

    /// <summary>Where the execution finds its place again, whichever process runs it.</summary>
    public string Ticket => string.Create(CultureInfo.InvariantCulture, $"{Since}:{Spends ?? Id}");

    public WaiterEntry Entry => new(Id, Patience, Since, Spends, SpentFor);

    /// <summary>A copy that is deferred again comes back within its patience, and a scheduler may be late.</summary>
    private TimeSpan SpentFor => TimeSpan.FromTicks(Math.Clamp(Patience.Ticks * 2, ShortestMemory.Ticks, LongestMemory.Ticks));

    /// <summary>Whether the store has parked it when it was last refused: not beside a lock with room, where it waits for the runner of its occurrence.</summary>
    public bool IsQueued { get; set; }

    /// <summary>It waits for the runner of its occurrence, besides the lock.</summary>
    public bool StandsBy { get; set; }

    /// <summary>It is its turn, and nobody has taken notice yet.</summary>
    public bool IsWoken { get; set; }

    /// <summary>Tells who waits in place; null while nobody does.</summary>
    public TaskCompletionSource? Signal { get; set; }

    /// <summary>Starts the deferred execution; null unless a deferral is stored.</summary>
    public Func<ValueTask<bool>>? Wake { get; set; }

    /// <summary>When a deferral comes back by itself, in whichever process: from then on it may be parked there.</summary>
    public long DueAt { get; set; }

    /// <summary>When it is forgotten, unless somebody waits in place: a deferral has come back by itself by then, if it ever was stored.</summary>
    public long LapsesAt { get; set; }

    /// <summary>The order among those of this process that the store does not know.</summary>
    public long Arrival { get; set; }

    /// <summary>When it is to be forgotten, or the store reminded of it.</summary>
    public long CareAt { get; set; }

    /// <summary>Listed among those of its lock in this process.</summary>
    public bool IsListed { get; set; }

    /// <summary>The group in which it waits there: a look sees the same for all of it. Null while it does not wait.</summary>
    public (int Limit, LockOccurrence? Runs)? Group { get; set; }

    /// <summary>Counted as parked by the metrics.</summary>
    public bool IsCounted { get; set; }

    /// <summary>A place of its own, beside that of another who came with the same ticket.</summary>
    public void Rename() => Id = LeaseId.New();

    /// <summary>
    /// Gives up the deferral that a lease may have spent without a run: the store may remember that, and the release that makes
    /// it forget may never arrive. What the execution waits for from now on is a deferral of its own. If there is a copy, both
    /// may run; with the old id none might.
    /// </summary>
    public void SpendAnother() => Spends = Id = LeaseId.New();

    /// <summary>The id of the place that a ticket names; null if it names none.</summary>
    public static string? IdOf(string? ticket) =>
        ticket?.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon && colon + 1 < ticket.Length ? ticket[(colon + 1)..] : null;

    /// <summary>The place that a ticket names, or a new one behind all others.</summary>
    /// <param name="wanted">The lease.</param>
    /// <param name="patience">After which time the store forgets the place.</param>
    /// <param name="ticket">The ticket; null for a new place.</param>
    /// <param name="isSpentOnce">Of all executions that come with this ticket only one is to run.</param>
    public static Waiter For(LeaseRequest wanted, TimeSpan patience, string? ticket, bool isSpentOnce = false)
    {
        return IdOf(ticket) is { } id
            && long.TryParse(ticket.AsSpan(0, ticket!.Length - id.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture,
                out long since)
            ? new Waiter(id, since, wanted, patience, isSpentOnce)
            : new Waiter(LeaseId.New(), 0, wanted, patience);
    }
}
