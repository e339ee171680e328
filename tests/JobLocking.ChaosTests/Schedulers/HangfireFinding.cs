using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>The rules that Hangfire's behaviour can break.</summary>
internal enum HangfireRule
{
    /// <summary>A job that was enqueued is not known any more, or has not ended although nothing was in its way.</summary>
    Lost,

    /// <summary>A job counts as a success although it has not done its work.</summary>
    Success,

    /// <summary>A job has done its work more than once without a fault.</summary>
    Twice,

    /// <summary>A job was skipped that must not be skipped, or was skipped without a reason.</summary>
    Skipped,

    /// <summary>A job was retried or given up although it had not failed.</summary>
    Failed,
}

/// <summary>One violation.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and below it the events that show it.</param>
internal sealed record HangfireFinding(HangfireRule Rule, string Text)
{
    public static HangfireFinding Of(HangfireRule rule, string what, StoredJob job, IEnumerable<HangfireEvent> told) =>
        new(rule, string.Join("\n    ", job.States.Select(s => $"{s.Name}: {s.Reason}").Concat(told.Select(e => e.ToString())).Prepend($"{job.Kind} {job.Number} {what}")));

    public override string ToString() => $"{Rule}: {Text}";
}

/// <summary>A job that was enqueued, as the storage has it at the end.</summary>
/// <param name="Number">The number of the job.</param>
/// <param name="Kind">Which method of <see cref="HangfireJobs"/>.</param>
/// <param name="States">All states that it had, in order; none if the storage does not know it.</param>
internal sealed record StoredJob(int Number, string Kind, IReadOnlyList<StoredState> States, string Id = "")
{
    /// <summary>
    /// The storage handed the job out a second time while it ran: it was deferred because of its own lease. Two watchers of Hangfire may
    /// each requeue a job that was taken out of its queue and not started. JobLocking does not promise yet to leave such a delivery alone.
    /// </summary>
    public bool WasDeliveredWhileItRan => Id.Length > 0
        && States.Any(s => s.Reason.StartsWith("Deferred", StringComparison.Ordinal) && s.Reason.Contains($"#{Id}", StringComparison.Ordinal));

    public StoredState? Last => States.Count == 0 ? null : States[^1];
}

internal sealed record StoredState(string Name, string Reason);
