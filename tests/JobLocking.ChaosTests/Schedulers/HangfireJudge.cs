using Hangfire.States;
using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Judges by the contract what became of jobs: each enqueued job has one end, runs once if it runs, and is skipped only if that is allowed.
/// It knows nothing about the implementation; of the faults it knows the times and the targets.
/// </summary>
internal static class HangfireJudge
{
    /// <summary>All violations; none if the contract was kept.</summary>
    /// <param name="jobs">All jobs that were enqueued, after enough time to end.</param>
    /// <param name="events">What the workers reported about them.</param>
    /// <param name="history">What was done to the workers.</param>
    public static IReadOnlyList<HangfireFinding> Check(IReadOnlyList<StoredJob> jobs, IReadOnlyList<HangfireEvent> events, IndexedHistory history)
    {
        ILookup<int, HangfireEvent> told = events.OrderBy(e => e.At).ToLookup(e => e.Number);
        return [.. jobs.SelectMany(job => WrongWith(job, [.. told[job.Number]], history).Select(wrong => HangfireFinding.Of(wrong.Rule, wrong.What, job, told[job.Number])))];
    }

    private static IEnumerable<(HangfireRule Rule, string What)> WrongWith(StoredJob job, HangfireEvent[] told, IndexedHistory history)
    {
        HangfireEvent[] done = [.. told.Where(e => e.What == HangfireEventKind.Done)];
        switch (job.Last?.Name)
        {
            case "Succeeded":
                if (done.Length == 0)
                {
                    yield return (HangfireRule.Success, "has succeeded, and has not done its work");
                }

                break;
            case "Deleted":
                if (WrongWithSkip(job, told) is { } why)
                {
                    yield return (HangfireRule.Skipped, $"was skipped {why}");
                }

                break;
            case "Failed":
                yield return (HangfireRule.Failed, "was given up");
                break;
            default:
                yield return (HangfireRule.Lost, job.Last is { } last ? $"is still {last.Name}" : "is gone");
                break;
        }

        foreach (HangfireEvent run in done.SkipLast(1).Where(run => !job.WasDeliveredWhileItRan && !RanBesideItself(run, job, told) && !MayBeRepeated(run, history)))
        {
            yield return (HangfireRule.Twice, $"was run again after the run in {run.Process}");
        }

        foreach (StoredState retry in job.States.Where(s => s.Name == ScheduledState.StateName && s.Reason.StartsWith("Retry ", StringComparison.Ordinal)))
        {
            bool mayFail = (job.Kind == nameof(HangfireJobs.Defer) && retry.Reason.Contains("by chance", StringComparison.Ordinal)) || told.Any(e => HasLost(e, history));
            if (!mayFail)
            {
                yield return (HangfireRule.Failed, "failed without a cause");
            }
        }
    }

    private static string? WrongWithSkip(StoredJob job, HangfireEvent[] told) =>
        !job.Last!.Reason.StartsWith("Skipped: ", StringComparison.Ordinal) || job.Last.Reason.Length <= "Skipped: ".Length ? "without a reason"
        : job.Kind != nameof(HangfireJobs.Skip) ? "although it defers"
        : told.Length > 0 || job.States.Any(s => s.Name == ScheduledState.StateName) ? "at its second attempt"
        : null;

    /// <summary>
    /// The storage handed the job out a second time while it ran, under a lock that several executions may hold. For other locks,
    /// <see cref="StoredJob.WasDeliveredWhileItRan"/> tells.
    /// </summary>
    private static bool RanBesideItself(HangfireEvent run, StoredJob job, HangfireEvent[] told)
    {
        HangfireEvent? began = told.FirstOrDefault(e => e.What == HangfireEventKind.Ran && IsSameRun(e, run));
        return job.Kind == nameof(HangfireJobs.Shared) && told.Any(other => other.What == HangfireEventKind.Ran && !IsSameRun(other, run)
            && other.At < run.At && !told.Any(end => end.What == HangfireEventKind.Done && IsSameRun(end, other) && end.At < began?.At));
    }

    private static bool IsSameRun(HangfireEvent one, HangfireEvent other) => one.Process == other.Process && one.Performance == other.Performance;

    /// <summary>
    /// Hangfire does not know of the end of a run whose process was killed, and takes a job away from a process that does not answer for
    /// long. A run that lost its lease has failed.
    /// </summary>
    private static bool MayBeRepeated(HangfireEvent run, IndexedHistory history) =>
        history.IsDead(run.Process) || HasLost(run, history)
        || history.Faults.Any(f => f.Kind == Fault.Frozen && f.Target == run.Process && f.To > run.At);

    private static bool HasLost(HangfireEvent run, IndexedHistory history) =>
        history.Executions.Any(e => e.Process == run.Process && e.Number == run.Performance && e.Loss is not null);
}
