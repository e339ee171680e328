using System.Text.Json;
using System.Text.Json.Serialization;
using Hangfire;
using Hangfire.Storage;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>What one attempt at a job leaves for the next: a parameter of the job, readable on its page in the dashboard.</summary>
internal sealed record AttemptRecord
{
    public const string Parameter = "JobLocking.Attempt";

    /// <summary>An <see cref="Outcome"/>.</summary>
    public const string Skipped = "skipped";

    /// <summary>An <see cref="Outcome"/>.</summary>
    public const string Deferred = "deferred";

    /// <summary>An <see cref="Outcome"/>.</summary>
    public const string Coalesced = "coalesced";

    private static readonly JsonSerializerOptions Brief = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    /// <summary>
    /// A worker has begun the job before: another attempt (a retry, a redelivery, an operator) is never skipped for contention.
    /// </summary>
    public bool Begun { get; init; }

    /// <summary>
    /// Why the last attempt did not run; null if it ran. People can tell a skipped job from one that was deleted by hand: Hangfire's
    /// own state of a cancelled job has nothing but a text.
    /// </summary>
    public string? Outcome { get; init; }

    /// <summary>The text of <see cref="State"/>.</summary>
    public string? Deferral { get; init; }

    /// <summary>The engine's state of the deferral that the present attempt comes from; null if it was not deferred.</summary>
    [JsonIgnore]
    public DeferralState? State
    {
        get => DeferralState.Parse(Deferral);
        init => Deferral = value?.ToString();
    }

    /// <summary>The lock of the inner job, if the deferral is that of a job performed inside this one; null for its own.</summary>
    public string? Inner { get; init; }

    /// <summary>The queue it was deferred from, if Hangfire itself would forget it; otherwise null.</summary>
    public string? Queue { get; init; }

    /// <summary>The set that counts its deferral, see <see cref="PendingDeferrals"/>; null if it is not counted.</summary>
    public string? CountedIn { get; init; }

    /// <summary>The record without the deferral of another lock.</summary>
    /// <param name="inner">The lock of an inner job; null for the job itself.</param>
    public AttemptRecord Of(string? inner) => Inner == inner ? this : new AttemptRecord { Begun = Begun, Inner = inner, Queue = Queue };

    public static AttemptRecord Read(IStorageConnection connection, BackgroundJob job)
    {
        string? text = job.ParametersSnapshot is { } snapshot
            ? snapshot.GetValueOrDefault(Parameter)
            : connection.GetJobParameter(job.Id, Parameter);
        try
        {
            return (string.IsNullOrEmpty(text) ? null : JsonSerializer.Deserialize<AttemptRecord>(text)) ?? new AttemptRecord();
        }
        catch (JsonException)
        {
            return new AttemptRecord(); // Users can write parameters, and elections read them, where nothing may throw.
        }
    }

    public void Write(IStorageConnection connection, string jobId) => connection.SetJobParameter(jobId, Parameter, ToString());

    public override string ToString() => JsonSerializer.Serialize(this, Brief);
}
