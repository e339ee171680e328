using System.Globalization;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>A history in the order in which it happened, by what the rules ask for.</summary>
internal sealed class Story
{
    private readonly Dictionary<(string Process, long Number), Execution> _executions = [];
    private readonly Dictionary<(string Process, string Lock), Periods> _troubles = [];
    private readonly Dictionary<string, long> _deaths = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Periods> _erasures = new(StringComparer.Ordinal);
    private readonly List<Fault> _faults = [];
    private readonly HashSet<string> _frozen = new(StringComparer.Ordinal);
    private readonly List<(HistoryEvent Event, Period Window)> _erased = [];

    public Story(IReadOnlyList<HistoryEvent> history, Terms terms)
    {
        Terms = terms;
        Events = [.. history.OrderBy(e => e.At)];
        foreach (HistoryEvent told in Events)
        {
            if (told.Execution != 0)
            {
                Tell(told);
            }
        }

        ReadFaults();
        End = Events.Count == 0 ? 0 : Events[^1].At;
        AllFaults = Periods.Of(_faults.Select(f => f.Period).Concat(_erased.Select(e => e.Window)));
        Starvation = Periods.Of(Of(Happening.Starved).Select(e => new Period(e.At - long.Parse(e.Detail, CultureInfo.InvariantCulture), e.At)));
        ClockSteps = Periods.Of(_faults.Where(f => f.Kind == Fault.ClockBehind && terms.TokensMayGoBack).Select(f => f.Period));
    }

    public Terms Terms { get; }

    public IReadOnlyList<HistoryEvent> Events { get; }

    public IReadOnlyCollection<Execution> Executions => _executions.Values;

    public IReadOnlyList<Fault> Faults => _faults;

    /// <summary>What was erased, and when it may have been: within the fault at the server that goes on meanwhile.</summary>
    public IReadOnlyList<(HistoryEvent Event, Period Window)> Erased => _erased;

    public Periods AllFaults { get; }

    public Periods ClockSteps { get; }

    /// <summary>When the machine was too busy to answer anybody.</summary>
    public Periods Starvation { get; }

    public long End { get; }

    public IEnumerable<IGrouping<string, Execution>> ByLock => Executions.Where(e => e.Lock.Length > 0).GroupBy(e => e.Lock, StringComparer.Ordinal);

    public IEnumerable<HistoryEvent> Of(Happening what) => Events.Where(e => e.What == what);

    /// <summary>When it was killed; for ever if it was not.</summary>
    public long DiedAt(string process) => _deaths.GetValueOrDefault(process, long.MaxValue);

    public bool IsDead(string process) => _deaths.ContainsKey(process);

    public bool IsFrozenAtTheEnd(string process) => _frozen.Contains(process);

    /// <summary>When something was wrong with the process, its link or the server.</summary>
    public Periods TroublesOf(string process, string name)
    {
        if (!_troubles.TryGetValue((process, name), out Periods? troubles))
        {
            troubles = Periods.Of(_faults.Where(f => f.Concerns(process, name, Terms)).Select(f => f.Period));
            _troubles.Add((process, name), troubles);
        }

        return troubles;
    }

    /// <summary>When the lock may have been erased.</summary>
    public Periods ErasuresOf(string name)
    {
        if (!_erasures.TryGetValue(name, out Periods? erasures))
        {
            erasures = Periods.Of(_erased.Where(e => e.Event.Lock.Length == 0 || e.Event.Lock == name).Select(e => e.Window));
            _erasures.Add(name, erasures);
        }

        return erasures;
    }

    private void Tell(HistoryEvent told)
    {
        if (!_executions.TryGetValue((told.Process, told.Execution), out Execution? execution))
        {
            execution = new Execution(told.Process, told.Execution);
            _executions.Add((told.Process, told.Execution), execution);
        }

        execution.Add(told);
    }

    private void ReadFaults()
    {
        List<Fault> open = [];
        List<(HistoryEvent Event, Fault? Within)> erased = [];
        foreach (HistoryEvent told in Events)
        {
            switch (told.What)
            {
                case Happening.FaultBegan:
                    Fault fault = new(told);
                    _faults.Add(fault);
                    if (fault.Kind == Fault.Killed)
                    {
                        fault.To = told.At;
                        _deaths.TryAdd(told.Process, told.At);
                    }
                    else
                    {
                        open.Add(fault);
                    }

                    break;
                case Happening.FaultEnded:
                    int i = open.FindIndex(f => f.Target == told.Process && f.Kind == Fault.KindOf(told) && f.Event.Lock == told.Lock);
                    if (i >= 0)
                    {
                        open[i].To = told.At;
                        open.RemoveAt(i);
                    }

                    break;
                case Happening.Healed:
                    open.ForEach(f => f.To = told.At);
                    open.Clear();
                    break;
                case Happening.Erased:
                    erased.Add((told, open.FindLast(f => f.Target == Terms.Server || f.Target.Length == 0)));
                    break;
                default:
                    break;
            }
        }

        _frozen.UnionWith(open.Where(f => f.Kind == Fault.Frozen).Select(f => f.Target));
        _erased.AddRange(erased.Select(e => (e.Event, e.Within?.Period ?? new Period(e.Event.At, e.Event.At))));
    }
}
