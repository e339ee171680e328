using System.Text.Json;
using System.Text.Json.Serialization;

namespace WorkerHost;

/// <summary>The outcome of a run, over all processes that ran at the same time.</summary>
internal sealed record Summary(
    int Nodes,
    int Processes,
    int Ran,
    int Skipped,
    int Deferred,
    int Lost,
    int Overlaps,
    int DuplicateOccurrences,
    int LimitsReached,
    int LimitsMissed)
{
    /// <summary>What went wrong in the run; null if nothing did.</summary>
    [JsonIgnore]
    public string? Fault => this switch
    {
        { Overlaps: > 0 } => $"{Overlaps} executions overlapped.",
        { LimitsMissed: > 0 } => $"{LimitsMissed} locks with a limit turned executions away although they were never full.",
        { DuplicateOccurrences: > 0 } => $"{DuplicateOccurrences} occurrences ran more than once.",
        { Ran: 0 } => "No job ran, so the run proves nothing.",
        _ => null,
    };

    /// <summary>Prints the summary as the last line and returns the exit code.</summary>
    public int Conclude()
    {
        if (Fault is not null)
        {
            Console.Error.WriteLine(Fault);
        }

        Console.WriteLine(JsonSerializer.Serialize(this, JsonSerializerOptions.Web));
        return Fault is null ? 0 : 1;
    }
}
