using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>One asking for a lock, and what came of it.</summary>
internal sealed class Execution(string process, long number)
{
    private readonly List<HistoryEvent> _events = [];

    public string Process => process;

    public long Number => number;

    public string Lock { get; private set; } = "";

    /// <summary>In the order in which they happened.</summary>
    public IReadOnlyList<HistoryEvent> Events => _events;

    public HistoryEvent? Asked { get; private set; }

    /// <summary>What it was told first; null while it was told nothing.</summary>
    public HistoryEvent? Outcome { get; private set; }

    public HistoryEvent? Granted => Outcome?.What == Happening.Granted ? Outcome : null;

    public HistoryEvent? Failed { get; private set; }

    public HistoryEvent? Releasing { get; private set; }

    public HistoryEvent? Released { get; private set; }

    /// <summary>What first told it that its lease is gone: <c>Lost</c> or <c>Disowned</c>.</summary>
    public HistoryEvent? Loss { get; private set; }

    /// <summary>The last time that it found the lease its own, before it gave it back or was told of its loss.</summary>
    public HistoryEvent? LastClaim { get; private set; }

    /// <summary>From when it is known to hold the lock; before, it may.</summary>
    public long AskedAt => Asked?.At ?? _events[0].At;

    public long OutcomeAt => Outcome?.At ?? long.MaxValue;

    public long Token => Granted?.Token ?? 0;

    public string Name => $"execution {number} of {process}";

    public IEnumerable<HistoryEvent> Claims => _events.Where(e => e.What == Happening.Claimed);

    /// <summary>What tells its story in a few lines.</summary>
    public IEnumerable<HistoryEvent?> Landmarks => [Asked, Outcome, LastClaim, Loss, Releasing, Released];

    /// <summary>To be called in the order in which things happened.</summary>
    public void Add(HistoryEvent told)
    {
        if (Lock.Length == 0)
        {
            Lock = told.Lock;
        }

        _events.Add(told);
        switch (told.What)
        {
            case Happening.Asked:
                Asked ??= told;
                break;
            case Happening.Granted or Happening.Contended or Happening.Unavailable or Happening.Cancelled:
                Outcome ??= told;
                break;
            case Happening.Failed:
                Failed ??= told;
                break;
            case Happening.Claimed when Loss is null && Releasing is null:
                LastClaim = told;
                break;
            case Happening.Lost or Happening.Disowned:
                Loss ??= told;
                break;
            case Happening.Releasing:
                Releasing ??= told;
                break;
            case Happening.Released:
                Released ??= told;
                break;
            default:
                break;
        }
    }
}
