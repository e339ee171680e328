using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>The rules that Quartz's behaviour can break.</summary>
internal enum QuartzRule
{
    /// <summary>A living process did not fire a scheduled time, or fired it twice.</summary>
    Schedule,

    /// <summary>A firing began and did not end, ended twice, or counts as a success although its job did not run to its end.</summary>
    Firing,

    /// <summary>The work of a scheduled time disappeared in one process, or had more than one end.</summary>
    Chain,

    /// <summary>It was still scheduled long after all faults were over.</summary>
    Rest,

    /// <summary>A firing was reported as coalesced with a deferral, and none was pending.</summary>
    Coalesced,

    /// <summary>A firing was skipped that must not be skipped, or was skipped without a reason.</summary>
    Skipped,

    /// <summary>A firing failed without a fault.</summary>
    Failed,

    /// <summary>An occurrence was run again after it had been run to its end.</summary>
    Twice,

    /// <summary>An occurrence was never run.</summary>
    Never,

    /// <summary>Two occurrences passed while the job did not run and nothing held its lock.</summary>
    StoodStill,
}

/// <summary>One violation.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and below it the events that show it.</param>
internal sealed record QuartzFinding(QuartzRule Rule, string Text)
{
    public static QuartzFinding Of(QuartzRule rule, string what, params IEnumerable<QuartzEvent> events) =>
        new(rule, string.Join("\n    ", events.OrderBy(e => e.At).Select(e => e.ToString()).Prepend(what)));

    public override string ToString() => $"{Rule}: {Text}";
}
