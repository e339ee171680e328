using System.Collections.Concurrent;
using System.Globalization;
using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>Reports how each firing ends: to the judge of the schedulers, and as an execution to the checker of the locks.</summary>
internal sealed class QuartzReporter(string process, ExecutionReporter executions) : IJobListener
{
    private readonly ConcurrentDictionary<string, Firing> _going = new(StringComparer.Ordinal);
    private long _firings;

    public string Name => "reporter";

    /// <summary>How many have begun and not ended.</summary>
    public int Going => _going.Count;

    /// <summary>How many have begun.</summary>
    public long Begun => Interlocked.Read(ref _firings);

    public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        string job = context.JobDetail.Key.Name;
        Firing firing = new(new Attempt(executions, Interlocked.Increment(ref _firings), job), job, context.GetOriginalFireTimeUtc());
        _going[context.FireInstanceId] = firing;
        Report(QuartzEventKind.Fired, firing, $"{context.Trigger.Key} {context.RetryAttempt}");
        firing.Attempt.Asked();
        return default;
    }

    public ValueTask JobWasExecuted(IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
    {
        Firing firing = _going[context.FireInstanceId];
        string detail = (context.Result as JobRunReport)?.Summary ?? jobException?.GetBaseException().Message ?? "";
        QuartzEventKind end = EndOf(context);
        if (firing.Attempt.WasGranted)
        {
            firing.Attempt.Released();
        }
        else
        {
            firing.Attempt.NotStarted(AnswerTo(firing, end, detail), detail);
        }

        Report(end, firing, end == QuartzEventKind.Deferred ? string.Create(CultureInfo.InvariantCulture, $"{DelayOf(context)} {detail}") : detail);
        _going.TryRemove(context.FireInstanceId, out _);
        return default;
    }

    /// <summary>What all jobs do.</summary>
    public async ValueTask RunAsync(IJobExecutionContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Firing firing = _going[context.FireInstanceId];
        await firing.Attempt.RunAsync(
            lease, milliseconds, firing.Job == QuartzJobs.Shared, fails, () => Report(QuartzEventKind.Ran, firing), () => Report(QuartzEventKind.Done, firing), cancellationToken);
    }

    public void Report(QuartzEventKind what, string job, DateTimeOffset scheduled, string detail = "") =>
        WorkerOutput.Report(QuartzEvent.Now(process, what, job, scheduled, detail: detail).ToString());

    /// <summary>How a firing ended, as Quartz is told.</summary>
    public static QuartzEventKind EndOf(IJobExecutionContext context) => (context.Outcome, context.Result) switch
    {
        (ExecutionOutcome.Failed, _) => context.RetryScheduled ? QuartzEventKind.Retried : QuartzEventKind.Failed,
        (ExecutionOutcome.Succeeded, JobRunReport { Result: JobRunResult.Skipped, Summary: { } why }) =>
            why.StartsWith("Deferred: ", StringComparison.Ordinal) || why.StartsWith("Standing by: ", StringComparison.Ordinal) ? QuartzEventKind.Deferred
            : why.StartsWith("Skipped: coalesced ", StringComparison.Ordinal) ? QuartzEventKind.Coalesced
            : why.StartsWith("Skipped: the deferral was woken ", StringComparison.Ordinal) ? QuartzEventKind.Woken
            : QuartzEventKind.Skipped,
        (ExecutionOutcome.Succeeded, null) => QuartzEventKind.Succeeded,
        _ => QuartzEventKind.Cancelled,
    };

    /// <summary>What the firing learned of its lock. An occurrence that is done or running says nothing about the holder.</summary>
    private static HistoryEventKind AnswerTo(Firing firing, QuartzEventKind end, string detail) => end switch
    {
        QuartzEventKind.Skipped or QuartzEventKind.Deferred or QuartzEventKind.Coalesced =>
            detail.Contains("the store is unavailable", StringComparison.Ordinal) ? HistoryEventKind.Unavailable
            : firing.Job == QuartzJobs.Once ? HistoryEventKind.Cancelled
            : HistoryEventKind.Contended,
        QuartzEventKind.Woken => HistoryEventKind.Cancelled,
        _ => HistoryEventKind.Failed,
    };

    private static object? DelayOf(IJobExecutionContext context) => ((JobRunReport)context.Result!).Metrics?["lock.deferred_by"];

    private void Report(QuartzEventKind what, Firing firing, string detail = "") =>
        WorkerOutput.Report(QuartzEvent.Now(process, what, firing.Job, firing.Scheduled, firing.Attempt.Number, detail).ToString());

    private sealed record Firing(Attempt Attempt, string Job, DateTimeOffset Scheduled);
}
