using System.Collections.Concurrent;
using System.Globalization;
using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>Tells what becomes of each firing of a scheduler: to whoever judges the schedulers, and as an execution to whoever judges the locks.</summary>
internal sealed class QuartzTeller(string process, Witness witness) : IJobListener
{
    private readonly ConcurrentDictionary<string, Firing> _going = new(StringComparer.Ordinal);
    private long _firings;

    public string Name => "teller";

    /// <summary>How many have begun.</summary>
    public long Begun => Interlocked.Read(ref _firings);

    /// <summary>How many have begun and not ended.</summary>
    public int Going => _going.Count;

    public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        string job = context.JobDetail.Key.Name;
        Firing firing = new(new Attempt(witness, Interlocked.Increment(ref _firings), job), job, context.GetOriginalFireTimeUtc());
        _going[context.FireInstanceId] = firing;
        Tell(QuartzHappening.Fired, firing, $"{context.Trigger.Key} {context.RetryAttempt}");
        firing.Attempt.Asks();
        return default;
    }

    public ValueTask JobWasExecuted(IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
    {
        Firing firing = _going[context.FireInstanceId];
        string detail = (context.Result as JobRunReport)?.Summary ?? jobException?.GetBaseException().Message ?? "";
        QuartzHappening end = EndOf(context);
        if (firing.Attempt.WasGranted)
        {
            firing.Attempt.Returned();
        }
        else
        {
            firing.Attempt.TurnedAway(AnswerTo(firing, end, detail), detail);
        }

        Tell(end, firing, end == QuartzHappening.Deferred ? string.Create(CultureInfo.InvariantCulture, $"{DelayOf(context)} {detail}") : detail);
        _going.TryRemove(context.FireInstanceId, out _);
        return default;
    }

    /// <summary>What all jobs do.</summary>
    public async ValueTask RunAsync(IJobExecutionContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Firing firing = _going[context.FireInstanceId];
        await firing.Attempt.RunAsync(
            lease, milliseconds, firing.Job == QuartzJobs.Shared, fails, () => Tell(QuartzHappening.Ran, firing), () => Tell(QuartzHappening.Done, firing), cancellationToken);
    }

    public void Tell(QuartzHappening what, string job, DateTimeOffset scheduled, string detail = "") =>
        Say.Fact(QuartzEvent.Now(process, what, job, scheduled, detail: detail).ToString());

    private static QuartzHappening EndOf(IJobExecutionContext context) => (context.Outcome, context.Result) switch
    {
        (ExecutionOutcome.Failed, _) => context.RetryScheduled ? QuartzHappening.Retried : QuartzHappening.Failed,
        (ExecutionOutcome.Succeeded, JobRunReport { Result: JobRunResult.Skipped, Summary: { } why }) =>
            why.StartsWith("Deferred: ", StringComparison.Ordinal) ? QuartzHappening.Deferred
            : why.StartsWith("Skipped: coalesced ", StringComparison.Ordinal) ? QuartzHappening.Coalesced
            : why.StartsWith("Skipped: the deferral was woken ", StringComparison.Ordinal) ? QuartzHappening.Woken
            : QuartzHappening.Skipped,
        (ExecutionOutcome.Succeeded, null) => QuartzHappening.Succeeded,
        _ => QuartzHappening.Cancelled,
    };

    /// <summary>What it was told of its lock. An occurrence that is done, or being run, says nothing of who has the lock.</summary>
    private static Happening AnswerTo(Firing firing, QuartzHappening end, string detail) => end switch
    {
        QuartzHappening.Skipped or QuartzHappening.Deferred or QuartzHappening.Coalesced =>
            detail.Contains("the store is unavailable", StringComparison.Ordinal) ? Happening.Unavailable
            : firing.Job == QuartzJobs.Once ? Happening.Cancelled
            : Happening.Contended,
        QuartzHappening.Woken => Happening.Cancelled,
        _ => Happening.Failed,
    };

    private static object? DelayOf(IJobExecutionContext context) => ((JobRunReport)context.Result!).Metrics?["lock.deferred_by"];

    private void Tell(QuartzHappening what, Firing firing, string detail = "") =>
        Say.Fact(QuartzEvent.Now(process, what, firing.Job, firing.Scheduled, firing.Attempt.Number, detail).ToString());

    private sealed record Firing(Attempt Attempt, string Job, DateTimeOffset Scheduled);
}
