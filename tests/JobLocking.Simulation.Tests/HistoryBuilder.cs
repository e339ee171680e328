using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Tests;

/// <summary>Builds a history for a test, in seconds.</summary>
internal sealed class HistoryBuilder
{
    private readonly List<Fact> _facts = [];
    private int _calls;

    public IReadOnlyList<Fact> Facts => [.. _facts.OrderBy(fact => fact.At)];

    public static long At(double seconds) => TimeSpan.FromSeconds(seconds).Ticks;

    public HistoryBuilder And(params IEnumerable<Fact> facts)
    {
        _facts.AddRange(facts);
        return this;
    }

    /// <summary>A correct lease of ten seconds from one moment to another.</summary>
    public HistoryBuilder Holds(
        string lease, double from, double to, string node = "n1", long? token = null, int limit = 1, End how = End.Released, double minHold = 0, double maxHold = 0, string? occurrence = null)
    {
        Asks(lease, from - 0.1, node, occurrence: occurrence);
        And(new Fact.Held(At(from), node, lease, "x", limit, token ?? At(from), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(minHold), TimeSpan.FromSeconds(maxHold)));
        if (occurrence is not null)
        {
            And(new Fact.Ran(At(from), lease, occurrence));
        }

        And(new Fact.Ended(At(to), lease, how));
        return how is End.Released or End.ReleasedEarly ? GivesBack(lease, to, node, occurrence) : this;
    }

    public HistoryBuilder Asks(string lease, double at, string node = "n1", StoreCall call = StoreCall.Acquire, bool done = true, string? occurrence = null, double expiry = 10)
    {
        int number = ++_calls;
        return And(
            new Fact.Sent(At(at), node, number, call, lease, "x", TimeSpan.FromSeconds(expiry)),
            new Fact.Applied(At(at + 0.01), number, call, lease, "x", done, occurrence),
            new Fact.Answered(At(at + 0.02), number, IsKnown: true));
    }

    public HistoryBuilder GivesBack(string lease, double at, string node = "n1", string? occurrence = null)
    {
        int call = ++_calls;
        return And(
            new Fact.Sent(At(at), node, call, StoreCall.Release, lease, "x", TimeSpan.Zero),
            new Fact.Applied(At(at + 0.01), call, StoreCall.Release, lease, "x", Done: true, occurrence),
            new Fact.Answered(At(at + 0.02), call, IsKnown: true),
            new Fact.Returned(At(at + 0.02), lease));
    }
}
