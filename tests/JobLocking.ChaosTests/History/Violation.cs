using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>The rules of a history, by what is broken.</summary>
internal enum Rule
{
    /// <summary>More than the limit held the lock at one moment.</summary>
    Exclusion,

    /// <summary>An execution believed in a lease that must have ended.</summary>
    Belief,

    /// <summary>A token was granted twice, or went backwards.</summary>
    Tokens,

    /// <summary>The protected counter differs from the reported writes.</summary>
    LostUpdate,

    /// <summary>A lease ended without a cause.</summary>
    UnexplainedLoss,

    /// <summary>An execution made no progress although nothing was in its way.</summary>
    Liveness,

    /// <summary>An execution ended without a report, twice, or with an exception that is not part of the contract.</summary>
    Outcome,

    /// <summary>A key outlived all executions that could have held it.</summary>
    Orphan,

    /// <summary>The store was unavailable, although nothing was broken.</summary>
    Unavailable,

    /// <summary>The lock was refused, although no execution could have held it.</summary>
    SpuriousRefusal,
}

/// <summary>What is wrong with a history.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and below it the events that show it.</param>
internal sealed record Violation(Rule Rule, string Text)
{
    public static Violation Of(Rule rule, string what, params IEnumerable<HistoryEvent?> events) =>
        new(rule, string.Join("\n    ", events.OfType<HistoryEvent>().OrderBy(e => e.At).Select(e => e.ToString()).Prepend(what)));

    public override string ToString() => $"{Rule}: {Text}";
}
