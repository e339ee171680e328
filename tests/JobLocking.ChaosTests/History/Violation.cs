using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>The rules of a history, by what is broken.</summary>
internal enum Rule
{
    /// <summary>More than the limit held the lock at one moment.</summary>
    Exclusion,

    /// <summary>Somebody believed in a lease that could not be his any more.</summary>
    Belief,

    /// <summary>A token came twice, or went back.</summary>
    Tokens,

    /// <summary>What the lock protects was written more or less often than told.</summary>
    Count,

    /// <summary>A lease ended without a cause.</summary>
    TakenAway,

    /// <summary>Somebody did not get on although nothing was in the way.</summary>
    Liveness,

    /// <summary>An execution ended in silence, twice, or by something that nobody promised.</summary>
    Outcome,

    /// <summary>A key outlived everybody who could have held it.</summary>
    Orphan,

    /// <summary>Nobody could be asked, although nothing was broken.</summary>
    Unavailable,

    /// <summary>The lock was taken, by nobody.</summary>
    Phantom,
}

/// <summary>What is wrong with a history.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and under it the events it rests on.</param>
internal sealed record Violation(Rule Rule, string Text)
{
    public static Violation Of(Rule rule, string what, params IEnumerable<HistoryEvent?> events) =>
        new(rule, string.Join("\n    ", events.OfType<HistoryEvent>().OrderBy(e => e.At).Select(e => e.ToString()).Prepend(what)));

    public override string ToString() => $"{Rule}: {Text}";
}
