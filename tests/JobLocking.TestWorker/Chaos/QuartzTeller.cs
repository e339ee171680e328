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

    /// <summary>How many have begun and not ended.</summary>
    public int Going => _going.Count;

    public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        Firing firing = new(Interlocked.Increment(ref _firings), context.JobDetail.Key.Name, context.GetOriginalFireTimeUtc());
        _going[context.FireInstanceId] = firing;
        Tell(QuartzHappening.Fired, firing, $"{context.Trigger.Key} {context.RetryAttempt}");
        witness.Tell(Happening.Asked, firing.Number, firing.Job);
        return default;
    }

    public ValueTask JobWasExecuted(IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
    {
        Firing firing = _going[context.FireInstanceId];
        string detail = (context.Result as JobRunReport)?.Summary ?? jobException?.GetBaseException().Message ?? "";
        QuartzHappening end = EndOf(context);
        if (firing.Token != 0)
        {
            // Whoever has lost his lease has nothing to give back, and has not said that he would.
            if (firing.GivesBack)
            {
                witness.Tell(Happening.Released, firing.Number, firing.Job, firing.Token);
            }
        }
        else
        {
            witness.Tell(AnswerTo(firing, end, detail), firing.Number, firing.Job, detail: detail);
        }

        Tell(end, firing, end == QuartzHappening.Deferred ? string.Create(CultureInfo.InvariantCulture, $"{DelayOf(context)} {detail}") : detail);
        _going.TryRemove(context.FireInstanceId, out _);
        return default;
    }

    /// <summary>What all jobs do.</summary>
    public async ValueTask RunAsync(IJobExecutionContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Firing firing = _going[context.FireInstanceId];
        firing.Token = lease.FencingToken;
        witness.Tell(Happening.Granted, firing.Number, firing.Job, firing.Token);
        Tell(QuartzHappening.Ran, firing);
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        done.CancelAfter(milliseconds);
        await witness.WorkAsync(firing.Job, lease, firing.Number, firing.Job == QuartzJobs.Shared, done.Token);
        witness.ThrowIfLost(lease, firing.Number, firing.Job);
        firing.GivesBack = true;
        if (!fails)
        {
            Tell(QuartzHappening.Done, firing);
        }

        witness.Tell(Happening.Releasing, firing.Number, firing.Job, firing.Token);
        if (fails)
        {
            throw new InvalidOperationException("by chance");
        }
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
        Say.Fact(QuartzEvent.Now(process, what, firing.Job, firing.Scheduled, firing.Number, detail).ToString());

    private sealed class Firing(long number, string job, DateTimeOffset scheduled)
    {
        public long Number => number;

        public string Job => job;

        public DateTimeOffset Scheduled => scheduled;

        public long Token { get; set; }

        public bool GivesBack { get; set; }
    }
}
