using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>One request for a lock, and everything that followed from it.</summary>
internal sealed class Execution(string process, long number)
{
    private readonly List<HistoryEvent> _events = [];

    public string Process => process;

    public long Number => number;

    public string Lock { get; private set; } = "";

    /// <summary>In the order in which they happened.</summary>
    public IReadOnlyList<HistoryEvent> Events => _events;

    public HistoryEvent? Asked { get; private set; }

    /// <summary>The first outcome that it reported; null if there is none yet.</summary>
    public HistoryEvent? Outcome { get; private set; }

    public HistoryEvent? Granted => Outcome?.What == HistoryEventKind.Granted ? Outcome : null;

    public HistoryEvent? Failed { get; private set; }

    public HistoryEvent? Releasing { get; private set; }

    public HistoryEvent? Released { get; private set; }

    /// <summary>The first report that its lease is gone: <c>Lost</c> or <c>Disowned</c>.</summary>
    public HistoryEvent? Loss { get; private set; }

    /// <summary>The last check that found the lease valid, before it was released or lost.</summary>
    public HistoryEvent? LastClaim { get; private set; }

    /// <summary>It may hold the lock from this moment on.</summary>
    public long AskedAt => Asked?.At ?? _events[0].At;

    public long OutcomeAt => Outcome?.At ?? long.MaxValue;

    public long Token => Granted?.Token ?? 0;

    public string Name => $"execution {number} of {process}";

    public IEnumerable<HistoryEvent> Claims => _events.Where(e => e.What == HistoryEventKind.Claimed);

    /// <summary>Its most important events.</summary>
    public IEnumerable<HistoryEvent?> Landmarks => [Asked, Outcome, LastClaim, Loss, Releasing, Released];

    /// <summary>Adds the next event, in the order in which they happened.</summary>
    public void Add(HistoryEvent next)
    {
        if (Lock.Length == 0)
        {
            Lock = next.Lock;
        }

        _events.Add(next);
        switch (next.What)
        {
            case HistoryEventKind.Asked:
                Asked ??= next;
                break;
            case HistoryEventKind.Granted or HistoryEventKind.Contended or HistoryEventKind.Unavailable or HistoryEventKind.Cancelled:
                Outcome ??= next;
                break;
            case HistoryEventKind.Failed:
                Failed ??= next;
                break;
            case HistoryEventKind.Claimed when Loss is null && Releasing is null:
                LastClaim = next;
                break;
            case HistoryEventKind.Lost or HistoryEventKind.Disowned:
                Loss ??= next;
                break;
            case HistoryEventKind.Releasing:
                Releasing ??= next;
                break;
            case HistoryEventKind.Released:
                Released ??= next;
                break;
            default:
                break;
        }
    }
}
