using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>What can be wrong with what Quartz did.</summary>
internal enum QuartzRule
{
    /// <summary>A time of the schedule was not fired, or twice, by a process that lived.</summary>
    Schedule,

    /// <summary>A firing began and did not end, ended twice, or was taken for a success although its job did not run to its end.</summary>
    Firing,

    /// <summary>What a time of the schedule stands for in one process vanished, or came to more than one end.</summary>
    Chain,

    /// <summary>It was still scheduled long after all was well.</summary>
    Rest,

    /// <summary>A firing was reported to be covered by a deferral, and none was pending.</summary>
    Coalesced,

    /// <summary>A firing was skipped that must not be, or without saying why.</summary>
    Skipped,

    /// <summary>A firing failed, and nothing had been wrong.</summary>
    Failed,

    /// <summary>An occurrence was run again after it had been run to its end.</summary>
    Twice,

    /// <summary>An occurrence was never run.</summary>
    Never,
}

/// <summary>One thing that is wrong.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and under it the events it rests on.</param>
internal sealed record QuartzFinding(QuartzRule Rule, string Text)
{
    public static QuartzFinding Of(QuartzRule rule, string what, params IEnumerable<QuartzEvent> events) =>
        new(rule, string.Join("\n    ", events.OrderBy(e => e.At).Select(e => e.ToString()).Prepend(what)));

    public override string ToString() => $"{Rule}: {Text}";
}
