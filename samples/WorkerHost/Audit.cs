namespace WorkerHost;

/// <summary>Counts the executions of one piece of work: their outcomes, how many may run at once, and how many did.</summary>
internal sealed record Tally(int Ran = 0, int Skipped = 0, int Deferred = 0, int Lost = 0, int Limit = 1, int MostInside = 0)
{
    public bool HasReachedLimit => MostInside >= Limit;
}

/// <summary>Judges the entries of the journal, from the first entry of this process on.</summary>
internal sealed class Audit(string self)
{
    private readonly Dictionary<string, List<JournalEntry>> _inside = [];
    private readonly HashSet<(string Work, DateTimeOffset Occurrence)> _done = [];
    private readonly SortedDictionary<string, Tally> _tallies = [];
    private readonly Dictionary<string, int> _nodes = [];

    // For each execution that entered when its work was already full: the processes that were inside. If all of them write to the
    // journal again later, they were alive, so there was an overlap. A process that does not was killed, and the execution was its
    // rightful successor.
    private readonly List<HashSet<string>> _suspects = [];

    private readonly Dictionary<string, long> _lastSeen = [];
    private long _seen;
    private bool _begun;
    private int _overlaps;
    private int _duplicateOccurrences;

    public bool HasSuspects => _suspects.Count > 0;

    public IReadOnlyDictionary<string, Tally> Tallies => _tallies;

    public Summary Summary => new(
        _nodes.Values.Sum(),
        _nodes.Count,
        _tallies.Values.Sum(tally => tally.Ran),
        _tallies.Values.Sum(tally => tally.Skipped),
        _tallies.Values.Sum(tally => tally.Deferred),
        _tallies.Values.Sum(tally => tally.Lost),
        _overlaps,
        _duplicateOccurrences,
        _tallies.Values.Count(tally => tally is { Limit: > 1, HasReachedLimit: true }),
        _tallies.Values.Count(tally => tally is { Limit: > 1, Deferred: > 0, HasReachedLimit: false }));

    /// <summary>Judges an entry. Returns false if it is older than this process.</summary>
    public bool Observe(JournalEntry entry)
    {
        _begun |= entry.Process == self;
        _lastSeen[entry.Process] = ++_seen;
        if (entry.Kind == JournalKind.Enter)
        {
            Enter(entry);
        }
        else if (entry.Kind == JournalKind.Leave)
        {
            InsideOf(entry).RemoveAll(inside => inside.Execution == entry.Execution);
        }

        int overlaps = _suspects.RemoveAll(suspects => suspects.Remove(entry.Process) && suspects.Count == 0);
        bool duplicate = entry is { Kind: JournalKind.Leave, Completed: true, Occurrence: { } occurrence }
            && !_done.Add((entry.Work!, occurrence));
        if (!_begun)
        {
            return false;
        }

        _overlaps += overlaps;
        _duplicateOccurrences += duplicate ? 1 : 0;
        Count(entry);
        return true;
    }

    private void Enter(JournalEntry entry)
    {
        List<JournalEntry> inside = InsideOf(entry);
        if (inside.Count >= entry.Limit)
        {
            _suspects.Add([.. inside.Select(other => other.Process)]);

            // The lease of a killed process expires long after its last entry, so the one that has been silent for longest is gone.
            inside.Remove(inside.MinBy(other => _lastSeen[other.Process])!);
        }

        inside.Add(entry);
    }

    private List<JournalEntry> InsideOf(JournalEntry entry)
    {
        if (!_inside.TryGetValue(entry.Work!, out List<JournalEntry>? inside))
        {
            _inside.Add(entry.Work!, inside = []);
        }

        return inside;
    }

    private void Count(JournalEntry entry)
    {
        if (entry.Kind == JournalKind.Alive)
        {
            _nodes[entry.Process] = entry.Nodes;
            return;
        }

        Tally tally = _tallies.GetValueOrDefault(entry.Work!) ?? new Tally();
        _tallies[entry.Work!] = entry.Kind switch
        {
            JournalKind.Enter => tally with { Limit = entry.Limit, MostInside = Math.Max(tally.MostInside, InsideOf(entry).Count) },
            JournalKind.Leave when entry.Completed => tally with { Ran = tally.Ran + 1 },
            JournalKind.Skipped => tally with { Skipped = tally.Skipped + 1 },
            JournalKind.Deferred => tally with { Deferred = tally.Deferred + 1 },
            JournalKind.Lost => tally with { Lost = tally.Lost + 1 },
            _ => tally,
        };
    }
}
