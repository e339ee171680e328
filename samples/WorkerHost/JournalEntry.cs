using System.Text.Json.Serialization;

namespace WorkerHost;

internal enum JournalKind
{
    /// <summary>The process is alive, and runs so many nodes.</summary>
    Alive,

    /// <summary>An execution begins to work on something that only so many may work on at a time.</summary>
    Enter,

    /// <summary>It has ended, or was cut short.</summary>
    Leave,

    /// <summary>An execution was skipped, deferred, or lost its lease, as the log of its node says.</summary>
    Skipped,
    Deferred,
    Lost,
}

/// <summary>One line of the journal.</summary>
internal sealed record JournalEntry
{
    [JsonConverter(typeof(JsonStringEnumConverter<JournalKind>))]
    public required JournalKind Kind { get; init; }

    public required string Process { get; init; }

    public string? Node { get; init; }

    /// <summary>What is worked on: more executions than its limit must never be inside the same at once.</summary>
    public string? Work { get; init; }

    public int Limit { get; init; } = 1;

    public string? Execution { get; init; }

    /// <summary>The scheduled time that this run stands for, where each may have only one.</summary>
    public DateTimeOffset? Occurrence { get; init; }

    /// <summary>Whether the execution did all its work before it left.</summary>
    public bool Completed { get; init; }

    public int Nodes { get; init; }

    public string? Text { get; init; }
}
