using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Faults;

/// <summary>
/// How likely each fault is in one run. Which faults occur at all is also drawn: if everything breaks at once, the effect of one
/// fault alone is never seen.
/// </summary>
internal sealed class FaultProfile
{
    private readonly SeededRandom _random;
    private readonly double _requestsLost;
    private readonly double _repliesLost;
    private readonly double _notificationsLost;
    private readonly double _refusals;
    private readonly double _detours;
    private readonly TimeSpan _farthest;

    public FaultProfile(SeededRandom random)
    {
        _random = random;
        bool isBad = random.Chance(0.7);
        _requestsLost = isBad ? Some(0.05) : 0;
        _repliesLost = isBad ? Some(0.08) : 0;
        _notificationsLost = isBad ? Some(0.3) : 0;
        _refusals = isBad ? Some(0.1) : 0;
        _detours = isBad ? Some(0.15) : 0;
        _farthest = random.Span(0.2, 6);
        Patience = random.Pick(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5));
        KeepsOrder = random.Chance(0.6);

        double Some(double most) => random.Chance(0.5) ? random.Number(1, 1000) / 1000.0 * most : 0;
    }

    /// <summary>After this time a client gives up waiting for a reply.</summary>
    public TimeSpan Patience { get; }

    /// <summary>Messages over one connection arrive in the order in which they were sent.</summary>
    public bool KeepsOrder { get; }

    public bool IsCalm { get; set; }

    /// <summary>How often each kind of fault occurred.</summary>
    public Dictionary<string, int> Faults { get; } = new(StringComparer.Ordinal);

    public bool LosesRequest() => Happens(_requestsLost, "request lost");

    public bool LosesReply() => Happens(_repliesLost, "reply lost");

    public bool LosesNotification() => Happens(_notificationsLost, "notification lost");

    public bool LosesRenewal() => Happens(_refusals, "renewal of one lease failed");

    public bool Refuses() => Happens(_refusals, "refused");

    /// <summary>The scheduler's own storage, where it keeps deferrals.</summary>
    public bool StorageFails() => Happens(0.02, "scheduler's storage failed");

    /// <summary>How long a message travels. Often whole milliseconds, so that events coincide.</summary>
    public TimeSpan Latency() =>
        Happens(_detours, "delayed") ? _random.Span(TimeSpan.FromMilliseconds(20), _farthest)
        : _random.Chance(0.5) ? TimeSpan.FromMilliseconds(_random.Number(1, 4))
        : _random.Span(0.0001, 0.004);

    public void Count(string fault) => Faults[fault] = Faults.GetValueOrDefault(fault) + 1;

    private bool Happens(double probability, string fault)
    {
        if (IsCalm || probability == 0 || !_random.Chance(probability))
        {
            return false;
        }

        Count(fault);
        return true;
    }
}
