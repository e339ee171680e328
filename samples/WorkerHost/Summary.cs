using System.Text.Json;
using System.Text.Json.Serialization;

namespace WorkerHost;

/// <summary>The outcome of a run, over all processes that ran beside this one.</summary>
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
    /// <summary>What is wrong with the run; null if all is well.</summary>
    [JsonIgnore]
    public string? Fault => this switch
    {
        { Overlaps: > 0 } => $"{Overlaps} executions overlapped.",
        { LimitsMissed: > 0 } => $"{LimitsMissed} locks with a limit turned executions away, and were never full.",
        { DuplicateOccurrences: > 0 } => $"{DuplicateOccurrences} occurrences ran more than once.",
        { Ran: 0 } => "No job ran, so nothing was measured.",
        _ => null,
    };

    /// <summary>Prints it as the last line. Returns the exit code.</summary>
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
