using System.Diagnostics.CodeAnalysis;
using JobLocking.Stores;

namespace JobLocking.Waiting;

/// <summary>
/// Waiters for which a poll of their lock gives the same answer: with the same limit, standing by for the same occurrence or for none.
/// </summary>
internal readonly record struct PollGroup(int Limit, LockOccurrence? Occurrence);

/// <summary>
/// The waiters of one lock in this process, in the orders in which they are needed. A lock may have many: no step goes through all of
/// them, except after the store may have lost its queue. All members are called under the lock of <see cref="LocalWaiters"/>.
/// </summary>
internal sealed class WaitersOfLock(string name)
{
    private static readonly Comparer<Waiter> OldestFirst = Comparer<Waiter>.Create(static (a, b) =>
    {
        // Waiters that the store does not know come last.
        int bySince = ((ulong)(a.QueuedSince - 1)).CompareTo((ulong)(b.QueuedSince - 1));
        return bySince != 0 ? bySince : a.Arrival.CompareTo(b.Arrival);
    });

    private static readonly Comparer<Waiter> CareFirst = Comparer<Waiter>.Create(static (a, b) =>
    {
        int byCare = a.CareAt.CompareTo(b.CareAt);
        return byCare != 0 ? byCare : a.Arrival.CompareTo(b.Arrival);
    });

    private readonly SortedSet<Waiter> _all = new(CareFirst);

    /// <summary>Those that wait. A poll for the oldest of a group finds out what the whole group has to know.</summary>
    private readonly Dictionary<PollGroup, SortedSet<Waiter>> _groups = [];

    /// <summary>Those whose entries the next polls check: they have no entry in the store, may have lost it, or it lapses soon.</summary>
    private readonly SortedSet<Waiter> _unsure = new(OldestFirst);

    public string Name { get; } = name;

    public bool IsEmpty => _all.Count == 0;

    public IReadOnlyCollection<Waiter> All => _all;

    /// <summary>The one with the earliest <see cref="Waiter.CareAt"/>.</summary>
    public Waiter? NextForCare => _all.Min;

    /// <summary>The timer of the next poll. This and what follows belongs to <see cref="SafetyPoll"/>.</summary>
    public ITimer? PollTimer { get; set; }

    public long PollAt { get; set; } = long.MaxValue;

    public bool IsPolling { get; set; }

    /// <summary>The store may have lost its queue: the next polls check all entries.</summary>
    public bool IsInDoubt { get; set; }

    public void Add(Waiter waiter)
    {
        waiter.IsListed = _all.Add(waiter);
        if (!waiter.IsQueued && !waiter.StandsBy)
        {
            _unsure.Add(waiter);
        }

        Regroup(waiter);
    }

    /// <summary>Call it before a change of anything that waiters are sorted by.</summary>
    public void Remove(Waiter waiter)
    {
        if (waiter.IsListed)
        {
            _all.Remove(waiter);
            _unsure.Remove(waiter);
            waiter.IsListed = false;
            Regroup(waiter);
        }
    }

    /// <summary>Call it after a change of its stage.</summary>
    public void Regroup(Waiter waiter)
    {
        PollGroup? group = waiter.IsListed && waiter.Stage.IsWaiting()
            ? new PollGroup(waiter.Wanted.Terms.Limit, waiter.StandsBy ? waiter.Wanted.Occurrence : null)
            : null;
        if (group == waiter.Group)
        {
            return;
        }

        if (waiter.Group is { } old && _groups.TryGetValue(old, out SortedSet<Waiter>? before))
        {
            before.Remove(waiter);
            if (before.Count == 0)
            {
                _groups.Remove(old);
            }
        }

        waiter.Group = group;
        if (group is { } now)
        {
            if (!_groups.TryGetValue(now, out SortedSet<Waiter>? among))
            {
                _groups.Add(now, among = new SortedSet<Waiter>(OldestFirst));
            }

            among.Add(waiter);
        }
    }

    public void CareLater(Waiter waiter, long at)
    {
        _all.Remove(waiter);
        waiter.CareAt = at;
        _all.Add(waiter);
    }

    /// <summary>
    /// The waiters to poll for, the oldest of each group. A deferral that is due is polled for last: it may be gone, and its own entry
    /// does not show whether the store has lost those of the others.
    /// </summary>
    public List<Waiter> Pollers(Func<Waiter, bool> isDue) =>
        [.. _groups.Values.Select(group => group.FirstOrDefault(waiter => !isDue(waiter)) ?? group.Min!).Order(OldestFirst)];

    public void Doubt(Waiter waiter) => _unsure.Add(waiter);

    public void DoubtAll() => _unsure.UnionWith(_all);

    public void Trust(Waiter waiter) => _unsure.Remove(waiter);

    /// <summary>Takes the oldest of those whose entries have to be checked.</summary>
    public bool TryTakeUnsure([NotNullWhen(true)] out Waiter? waiter)
    {
        waiter = _unsure.Min;
        return waiter is not null && _unsure.Remove(waiter);
    }
}
