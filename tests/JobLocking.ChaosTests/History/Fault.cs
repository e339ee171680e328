using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History;

/// <summary>Something that was done to a process, its link or the server. Its kind is the first word of the detail.</summary>
internal sealed class Fault(HistoryEvent began)
{
    /// <summary>A process that reports nothing any more. A process that replaces it has another name.</summary>
    public const string Killed = "killed";

    /// <summary>A process, or the server, that does not run until the fault ends.</summary>
    public const string Frozen = "frozen";

    /// <summary>A server, or its replacement, whose clock is behind.</summary>
    public const string ClockBehind = "clock-behind";

    public string Kind { get; } = KindOf(began);

    public string Target => began.Process;

    public HistoryEvent Event => began;

    public long From => began.At;

    /// <summary>When it ends; the end of time if it never does. Killing takes a moment; only the process itself stays affected.</summary>
    public long To { get; set; } = long.MaxValue;

    public Interval Interval => new(From, To);

    public static string KindOf(HistoryEvent told) => told.Detail.Split(' ', 2)[0];

    public bool Concerns(string process, string name, Terms terms) =>
        (Target == process || Target == terms.Server || Target.Length == 0) && (began.Lock.Length == 0 || name.Length == 0 || began.Lock == name);
}
