using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Tests;

/// <summary>A history that somebody made up, in seconds.</summary>
internal sealed class Story
{
    private readonly List<Fact> _facts = [];
    private int _calls;

    public IReadOnlyList<Fact> Facts => [.. _facts.OrderBy(fact => fact.At)];

    public static long At(double seconds) => TimeSpan.FromSeconds(seconds).Ticks;

    public Story And(params IEnumerable<Fact> facts)
    {
        _facts.AddRange(facts);
        return this;
    }

    /// <summary>A lease of ten seconds from one moment to another, as it should be.</summary>
    public Story Holds(
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

    public Story Asks(string lease, double at, string node = "n1", ScriptCall question = ScriptCall.Acquire, bool done = true, string? occurrence = null, double expiry = 10)
    {
        int call = ++_calls;
        return And(
            new Fact.Sent(At(at), node, call, question, lease, "x", TimeSpan.FromSeconds(expiry)),
            new Fact.Applied(At(at + 0.01), call, question, lease, "x", done, occurrence),
            new Fact.Answered(At(at + 0.02), call, IsKnown: true));
    }

    public Story GivesBack(string lease, double at, string node = "n1", string? occurrence = null)
    {
        int call = ++_calls;
        return And(
            new Fact.Sent(At(at), node, call, ScriptCall.Release, lease, "x", TimeSpan.Zero),
            new Fact.Applied(At(at + 0.01), call, ScriptCall.Release, lease, "x", Done: true, occurrence),
            new Fact.Answered(At(at + 0.02), call, IsKnown: true),
            new Fact.Returned(At(at + 0.02), lease));
    }
}
