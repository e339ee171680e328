using System.Text.Json.Serialization;

namespace WorkerHost;

internal enum JournalKind
{
    /// <summary>The process is alive, and runs <see cref="JournalEntry.Nodes"/> nodes.</summary>
    Alive,

    /// <summary>An execution starts its work.</summary>
    Enter,

    /// <summary>The work has ended or was interrupted.</summary>
    Leave,

    /// <summary>According to the log of its node, an execution was skipped, was deferred, or lost its lease.</summary>
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

    /// <summary>When the node wrote the entry, by the clock of the machine. Only docs/picture.sh reads it.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>The name of the work. Never more executions than <see cref="Limit"/> may do the same work at once.</summary>
    public string? Work { get; init; }

    public int Limit { get; init; } = 1;

    public string? Execution { get; init; }

    /// <summary>The scheduled time of the run, if each scheduled time may have only one run.</summary>
    public DateTimeOffset? Occurrence { get; init; }

    /// <summary>Whether the execution completed its work.</summary>
    public bool Completed { get; init; }

    public int Nodes { get; init; }

    public string? Text { get; init; }
}
