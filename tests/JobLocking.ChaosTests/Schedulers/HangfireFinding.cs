using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>What can be wrong with what Hangfire did.</summary>
internal enum HangfireRule
{
    /// <summary>A job that was enqueued is not known any more, or has not come to its end although nothing was in its way.</summary>
    Lost,

    /// <summary>A job is taken for a success that has not done its work.</summary>
    Success,

    /// <summary>A job has done its work more than once, and nothing had been wrong.</summary>
    Twice,

    /// <summary>A job was skipped that must not be, or without saying why.</summary>
    Skipped,

    /// <summary>A job was tried again, or given up, and had not failed.</summary>
    Failed,
}

/// <summary>One thing that is wrong.</summary>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Text">What happened, and under it what it rests on.</param>
internal sealed record HangfireFinding(HangfireRule Rule, string Text)
{
    public static HangfireFinding Of(HangfireRule rule, string what, StoredJob job, IEnumerable<HangfireEvent> told) =>
        new(rule, string.Join("\n    ", job.States.Select(s => $"{s.Name}: {s.Reason}").Concat(told.Select(e => e.ToString())).Prepend($"{job.Kind} {job.Number} {what}")));

    public override string ToString() => $"{Rule}: {Text}";
}

/// <summary>A job that was enqueued, as the storage has it at the end.</summary>
/// <param name="Number">Of the job.</param>
/// <param name="Kind">Which method of <see cref="HangfireJobs"/>.</param>
/// <param name="States">All that it was in, in their order; none if the storage does not know it.</param>
internal sealed record StoredJob(int Number, string Kind, IReadOnlyList<StoredState> States, string Id = "")
{
    /// <summary>
    /// The storage handed the job out a second time while it ran: it was deferred for a lease of its own. Two watchers of Hangfire's may each
    /// give back a job that was taken out of its queue and not begun. That such a delivery is left alone is not promised yet.
    /// </summary>
    public bool WasDeliveredWhileItRan => Id.Length > 0
        && States.Any(s => s.Reason.StartsWith("Deferred", StringComparison.Ordinal) && s.Reason.Contains($"#{Id}", StringComparison.Ordinal));

    public StoredState? Last => States.Count == 0 ? null : States[^1];
}

internal sealed record StoredState(string Name, string Reason);
