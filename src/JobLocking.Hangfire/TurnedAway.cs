using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>An execution that does not run now, on its way from the filter that cancelled it to the election of its next state.</summary>
internal sealed record TurnedAway(LockExecution Execution, LockDecision Decision, AttemptRecord Record)
{
    /// <summary>Remembers a deferral; anything else leaves the record as it is.</summary>
    public static TurnedAway From(LockExecution execution, LockDecision decision, AttemptRecord record, PerformContext context, TimeProvider time) =>
        new(execution, decision, decision is not LockDecision.Defer ? record : record with
        {
            Deferrals = record.Deferrals + 1,
            FirstDeferredAt = record.FirstDeferredAt ?? time.GetUtcNow(),
            Queue = record.Queue ?? ForgottenQueue(context),
        });

    public void Elect(ElectStateContext context, LockEngine engine)
    {
        if (context.CandidateState is not DeletedState canceled)
        {
            return;
        }

        if (Decision is not LockDecision.Defer defer)
        {
            canceled.Reason = $"Skipped: {((LockDecision.Skip)Decision).Reason}";
            return;
        }

        // The history keeps the state that is replaced here.
        canceled.Reason = "Replaced by the deferral";
        Record.Write(context);

        // Hangfire's schedule rounds down to whole seconds: less than one would come back at once, again and again.
        TimeSpan delay = TimeSpan.FromSeconds(Math.Ceiling(defer.Delay.TotalSeconds));
        context.CandidateState = new ScheduledState(delay) { Reason = $"Deferred ({Record.Deferrals}): {defer.Reason}" };
        engine.Deferred(Execution, defer);
    }

    /// <summary>
    /// A job created in a queue by its state alone, <c>Create(…, new EnqueuedState("critical"))</c>, would come back in the
    /// default queue. Only its history knows; queues of the job itself and of <c>[Queue]</c> return by themselves.
    /// </summary>
    private static string? ForgottenQueue(PerformContext context)
    {
        if (context.BackgroundJob.Job.Queue is not null)
        {
            return null;
        }

        IDictionary<string, string>? enqueued = context.Storage.GetMonitoringApi().JobDetails(context.BackgroundJob.Id)?
            .History.FirstOrDefault(h => h.StateName == EnqueuedState.StateName)?.Data;
        return enqueued?.TryGetValue("Queue", out string? queue) == true && queue != EnqueuedState.DefaultQueue ? queue : null;
    }
}
