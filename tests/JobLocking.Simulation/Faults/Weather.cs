using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Faults;

/// <summary>
/// How bad things are in one run. Which faults there are at all is drawn, too: where everything breaks at once, what one
/// fault alone does is never seen.
/// </summary>
internal sealed class Weather
{
    private readonly Chance _chance;
    private readonly double _requestsLost;
    private readonly double _answersLost;
    private readonly double _noticesLost;
    private readonly double _refusals;
    private readonly double _detours;
    private readonly TimeSpan _farthest;

    public Weather(Chance chance)
    {
        _chance = chance;
        bool isBad = chance.Of(0.7);
        _requestsLost = isBad ? Some(0.05) : 0;
        _answersLost = isBad ? Some(0.08) : 0;
        _noticesLost = isBad ? Some(0.3) : 0;
        _refusals = isBad ? Some(0.1) : 0;
        _detours = isBad ? Some(0.15) : 0;
        _farthest = chance.Span(0.2, 6);
        Patience = chance.One(TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5));
        KeepsOrder = chance.Of(0.6);

        double Some(double most) => chance.Of(0.5) ? chance.Number(1, 1000) / 1000.0 * most : 0;
    }

    /// <summary>After this time a client gives up waiting for an answer.</summary>
    public TimeSpan Patience { get; }

    /// <summary>What was sent first over one connection arrives first.</summary>
    public bool KeepsOrder { get; }

    public bool IsCalm { get; set; }

    /// <summary>What became of messages, by the kind of fault.</summary>
    public Dictionary<string, int> Faults { get; } = new(StringComparer.Ordinal);

    public bool LosesRequest() => Happens(_requestsLost, "request lost");

    public bool LosesAnswer() => Happens(_answersLost, "answer lost");

    public bool LosesNotification() => Happens(_noticesLost, "notice lost");

    public bool LosesRenewal() => Happens(_refusals, "renewal of one lease failed");

    public bool Refuses() => Happens(_refusals, "refused");

    /// <summary>The scheduler's own storage, where it keeps deferrals.</summary>
    public bool StorageFails() => Happens(0.02, "scheduler's storage failed");

    /// <summary>How long a message is under way. Whole milliseconds, often, so that things meet.</summary>
    public TimeSpan Latency() =>
        Happens(_detours, "delayed") ? _chance.Span(TimeSpan.FromMilliseconds(20), _farthest)
        : _chance.Of(0.5) ? TimeSpan.FromMilliseconds(_chance.Number(1, 4))
        : _chance.Span(0.0001, 0.004);

    public void Count(string fault) => Faults[fault] = Faults.GetValueOrDefault(fault) + 1;

    private bool Happens(double probability, string fault)
    {
        if (IsCalm || probability == 0 || !_chance.Of(probability))
        {
            return false;
        }

        Count(fault);
        return true;
    }
}
