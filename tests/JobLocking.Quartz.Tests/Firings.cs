using System.Collections.Concurrent;
using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>How the firings of one node ended, as its listeners see it.</summary>
internal sealed class Firings(string node) : IJobListener
{
    private readonly ConcurrentQueue<Ended> _ended = [];

    public string Name => $"firings of {node}";

    public IReadOnlyCollection<Ended> All => _ended;

    /// <summary>Called when a firing has begun, before the lock is requested. If a skip or a deferral is a veto, after that.</summary>
    public Func<ITrigger, Task> AtBegin { get; set; } = _ => Task.CompletedTask;

    /// <summary>Called at the end of each firing, before Quartz stores what follows from it.</summary>
    public Func<Ended, Task> AtEnd { get; set; } = _ => Task.CompletedTask;

    /// <summary>Waits until this many firings have ended; returns the last of them.</summary>
    public Task<Ended> EndedAsync(int count) => Eventually.SeesAsync(() => _ended.ElementAtOrDefault(count - 1)!, ended => ended is not null);

    /// <summary>Waits for the first firing that ended in this way.</summary>
    public Task<Ended> EndedAsync(Func<Ended, bool> so) => Eventually.SeesAsync(() => _ended.FirstOrDefault(so)!, ended => ended is not null);

    public async ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default) => await AtBegin(context.Trigger);

    public async ValueTask JobWasExecuted(IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
    {
        Ended ended = new(context.JobDetail.Key, context.Trigger, context.Outcome, context.Result as JobRunReport, jobException, context.RetryScheduled);
        await AtEnd(ended);
        _ended.Enqueue(ended);
    }

    public async ValueTask JobExecutionVetoed(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        Ended ended = new(context.JobDetail.Key, context.Trigger, context.Outcome, context.Result as JobRunReport, Error: null, context.RetryScheduled);
        await AtEnd(ended);
        _ended.Enqueue(ended);
    }

    internal sealed record Ended(
        JobKey Job, ITrigger Trigger, ExecutionOutcome Outcome, JobRunReport? Report, JobExecutionException? Error, bool RetryScheduled)
    {
        /// <summary>Whether a deferral fired it.</summary>
        public bool IsReturned => Trigger.Key.Group == "joblocking";

        public bool IsSkipped => Report?.Result == JobRunResult.Skipped && Report.Summary!.StartsWith("Skipped: ", StringComparison.Ordinal);

        public bool IsDeferred => Report?.Result == JobRunResult.Skipped && Report.Summary!.StartsWith("Deferred: ", StringComparison.Ordinal);

        public bool IsRun => Outcome == ExecutionOutcome.Succeeded && Report is null;

        public override string ToString() => $"{Job} by {Trigger.Key}: {Outcome} {Report?.Summary} {Error?.Message}";
    }
}
