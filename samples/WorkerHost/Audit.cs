namespace WorkerHost;

/// <summary>What became of the executions of one piece of work.</summary>
internal sealed record Tally(int Ran = 0, int Skipped = 0, int Deferred = 0, int Lost = 0);

/// <summary>Reads the journal and judges it, from the first sign of life of this process on.</summary>
internal sealed class Audit(string self)
{
    private readonly Dictionary<string, JournalEntry> _inside = [];
    private readonly HashSet<(string Work, DateTimeOffset Occurrence)> _done = [];
    private readonly SortedDictionary<string, Tally> _tallies = [];
    private readonly Dictionary<string, int> _nodes = [];

    // Processes inside something that somebody else has entered. Whoever writes again afterwards was alive and overlapped;
    // whoever never does was killed inside, and its successor is what should follow.
    private readonly List<string> _suspects = [];

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
        _duplicateOccurrences);

    /// <summary>Takes note of an entry. False if it is older than this process.</summary>
    public bool Observe(JournalEntry entry)
    {
        _begun |= entry.Process == self;
        if (entry.Kind == JournalKind.Enter)
        {
            if (_inside.TryGetValue(entry.Work!, out JournalEntry? other))
            {
                _suspects.Add(other.Process);
            }

            _inside[entry.Work!] = entry;
        }
        else if (entry.Kind == JournalKind.Leave && _inside.GetValueOrDefault(entry.Work!)?.Execution == entry.Execution)
        {
            _inside.Remove(entry.Work!);
        }

        int overlaps = _suspects.RemoveAll(suspect => suspect == entry.Process);
        bool duplicate = entry is { Kind: JournalKind.Leave, Completed: true, Occurrence: { } occurrence } && !_done.Add((entry.Work!, occurrence));
        if (!_begun)
        {
            return false;
        }

        _overlaps += overlaps;
        _duplicateOccurrences += duplicate ? 1 : 0;
        Count(entry);
        return true;
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
            JournalKind.Leave when entry.Completed => tally with { Ran = tally.Ran + 1 },
            JournalKind.Skipped => tally with { Skipped = tally.Skipped + 1 },
            JournalKind.Deferred => tally with { Deferred = tally.Deferred + 1 },
            JournalKind.Lost => tally with { Lost = tally.Lost + 1 },
            _ => tally,
        };
    }
}
