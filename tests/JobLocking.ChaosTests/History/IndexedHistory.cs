using System.Globalization;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>A history in the order in which it happened, indexed by what the rules need.</summary>
internal sealed class IndexedHistory
{
    private readonly Dictionary<(string Process, long Number), Execution> _executions = [];
    private readonly Dictionary<(string Process, string Lock), IntervalSet> _troubles = [];
    private readonly Dictionary<string, long> _deaths = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IntervalSet> _erasures = new(StringComparer.Ordinal);
    private readonly List<Fault> _faults = [];
    private readonly HashSet<string> _frozen = new(StringComparer.Ordinal);
    private readonly List<(HistoryEvent Event, Interval Window)> _erased = [];

    public IndexedHistory(IReadOnlyList<HistoryEvent> history, Terms terms)
    {
        Terms = terms;
        Events = [.. history.OrderBy(e => e.At)];
        foreach (HistoryEvent next in Events)
        {
            if (next.Execution != 0)
            {
                Add(next);
            }
        }

        ReadFaults();
        End = Events.Count == 0 ? 0 : Events[^1].At;
        AllFaults = IntervalSet.Of(_faults.Select(f => f.Interval).Concat(_erased.Select(e => e.Window)));
        Starvation = IntervalSet.Of(Of(HistoryEventKind.Starved).Select(e => new Interval(e.At - long.Parse(e.Detail, CultureInfo.InvariantCulture), e.At)));
        ClockSteps = IntervalSet.Of(_faults.Where(f => f.Kind == Fault.ClockBehind && terms.TokensMayGoBack).Select(f => f.Interval));
    }

    public Terms Terms { get; }

    public IReadOnlyList<HistoryEvent> Events { get; }

    public IReadOnlyCollection<Execution> Executions => _executions.Values;

    public IReadOnlyList<Fault> Faults => _faults;

    /// <summary>What was erased, and when it may have happened: during the fault of the server.</summary>
    public IReadOnlyList<(HistoryEvent Event, Interval Window)> Erased => _erased;

    public IntervalSet AllFaults { get; }

    public IntervalSet ClockSteps { get; }

    /// <summary>When the machine was too busy to answer.</summary>
    public IntervalSet Starvation { get; }

    public long End { get; }

    public IEnumerable<IGrouping<string, Execution>> ByLock => Executions.Where(e => e.Lock.Length > 0).GroupBy(e => e.Lock, StringComparer.Ordinal);

    public IEnumerable<HistoryEvent> Of(HistoryEventKind what) => Events.Where(e => e.What == what);

    /// <summary>When it was killed; the end of time if it was not.</summary>
    public long DiedAt(string process) => _deaths.GetValueOrDefault(process, long.MaxValue);

    public bool IsDead(string process) => _deaths.ContainsKey(process);

    public bool IsFrozenAtTheEnd(string process) => _frozen.Contains(process);

    /// <summary>When something was wrong with the process, its link or the server.</summary>
    public IntervalSet TroublesOf(string process, string name)
    {
        if (!_troubles.TryGetValue((process, name), out IntervalSet? troubles))
        {
            troubles = IntervalSet.Of(_faults.Where(f => f.Concerns(process, name, Terms)).Select(f => f.Interval));
            _troubles.Add((process, name), troubles);
        }

        return troubles;
    }

    /// <summary>When the lock may have been erased.</summary>
    public IntervalSet ErasuresOf(string name)
    {
        if (!_erasures.TryGetValue(name, out IntervalSet? erasures))
        {
            erasures = IntervalSet.Of(_erased.Where(e => e.Event.Lock.Length == 0 || e.Event.Lock == name).Select(e => e.Window));
            _erasures.Add(name, erasures);
        }

        return erasures;
    }

    private void Add(HistoryEvent next)
    {
        if (!_executions.TryGetValue((next.Process, next.Execution), out Execution? execution))
        {
            execution = new Execution(next.Process, next.Execution);
            _executions.Add((next.Process, next.Execution), execution);
        }

        execution.Add(next);
    }

    private void ReadFaults()
    {
        List<Fault> open = [];
        List<(HistoryEvent Event, Fault? Within)> erased = [];
        foreach (HistoryEvent next in Events)
        {
            switch (next.What)
            {
                case HistoryEventKind.FaultBegan:
                    Fault fault = new(next);
                    _faults.Add(fault);
                    if (fault.Kind == Fault.Killed)
                    {
                        fault.To = next.At;
                        _deaths.TryAdd(next.Process, next.At);
                    }
                    else
                    {
                        open.Add(fault);
                    }

                    break;
                case HistoryEventKind.FaultEnded:
                    int i = open.FindIndex(f => f.Target == next.Process && f.Kind == Fault.KindOf(next) && f.Event.Lock == next.Lock);
                    if (i >= 0)
                    {
                        open[i].To = next.At;
                        open.RemoveAt(i);
                    }

                    break;
                case HistoryEventKind.Healed:
                    open.ForEach(f => f.To = next.At);
                    open.Clear();
                    break;
                case HistoryEventKind.Erased:
                    erased.Add((next, open.FindLast(f => f.Target == Terms.Server || f.Target.Length == 0)));
                    break;
                default:
                    break;
            }
        }

        _frozen.UnionWith(open.Where(f => f.Kind == Fault.Frozen).Select(f => f.Target));
        _erased.AddRange(erased.Select(e => (e.Event, e.Within?.Interval ?? new Interval(e.Event.At, e.Event.At))));
    }
}
