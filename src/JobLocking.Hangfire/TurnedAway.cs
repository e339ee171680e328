using Hangfire;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>An execution that does not run now, on its way from the filter that cancelled it to the election of its next state.</summary>
internal sealed record TurnedAway(TaskLockFilter Filter, LockExecution Execution, LockDecision Decision, AttemptRecord Record)
{
    private ApplyStateContext? _applied;

    /// <summary>Which deferrals do its work, so that it is not deferred itself; null if it is, or was never to be.</summary>
    public string? Coalesced { get; init; }

    /// <summary>Remembers what became of the attempt.</summary>
    public static TurnedAway From(
        TaskLockFilter filter, LockExecution execution, LockDecision decision, AttemptRecord record, PerformContext context, ElectionRecords records) =>
        new(filter, execution, decision, decision is not LockDecision.Defer defer ? record with { Outcome = AttemptRecord.Skipped }
            : record with
        {
            Outcome = AttemptRecord.Deferred,
            Deferrals = record.Deferrals + 1,
            DeferralsUnwoken = record.DeferralsUnwoken + 1,
            FirstDeferredAt = defer.FirstDeferredAt,
            Ticket = defer.Ticket,
            Queue = record.Queue ?? ForgottenQueue(context, records),
        });

    /// <summary>Why a skipped job was deleted.</summary>
    public static string Reason(LockDecision.Skip skip) => $"Skipped: {skip.Reason}";

    public void Elect(ElectStateContext context, ElectionRecords records)
    {
        if (context.CandidateState is not DeletedState canceled)
        {
            return;
        }

        if (Coalesced is not null)
        {
            // An operator who starts it again wants it done.
            canceled.Reason = $"Coalesced: {Coalesced}";
            records.TryWrite(Record, context);
            return;
        }

        if (Decision is not LockDecision.Defer defer)
        {
            canceled.Reason = Reason((LockDecision.Skip)Decision);
            records.TryWrite(Record, context);
            return;
        }

        // The history keeps the state that is replaced here.
        canceled.Reason = "Replaced by the deferral";
        records.TryWrite(Record, context);

        // Hangfire's schedule rounds down to whole seconds: less than one would come back at once, again and again.
        TimeSpan delay = TimeSpan.FromSeconds(Math.Ceiling(defer.Delay.TotalSeconds));
        context.CandidateState = new DeferredState(delay, new Deferral(context.BackgroundJob.Id, Record, Execution.Name))
        {
            Reason = $"Deferred ({Record.Deferrals}): {defer.Reason}",
        };
    }

    /// <summary>
    /// Tells the engine what was elected in the end, also by the filters after ours. The state is stored just after this;
    /// who wakes the job earlier waits for the lock of its state. Should it not be stored, the wake finds no deferral.
    /// </summary>
    public void Apply(ApplyStateContext context, LockEngine engine)
    {
        // Once for each attempt at the change of state, however often the filter is registered.
        if (Decision is not LockDecision.Defer defer || _applied == context)
        {
            return;
        }

        _applied = context;
        if (context.NewState is DeferredState { Deferral: var deferral })
        {
            // Nothing else of the context outlives the change of state. Hangfire's own changers always name their filters.
            JobStorage storage = context.Storage;
            StateMachine? filters = context.StateMachine as StateMachine;
            engine.Deferred(Execution, defer, () => filters is null ? new ValueTask<bool>(false) : Wakes.StartAsync(() => deferral.Wake(storage, filters)));
        }
        else
        {
            engine.NotDeferred(defer);
        }
    }

    /// <summary>
    /// A job created in a queue by its state alone, <c>Create(…, new EnqueuedState("critical"))</c>, would come back in the
    /// default queue. Only its history knows; queues of the job itself and of <c>[Queue]</c> return by themselves.
    /// </summary>
    /// <remarks>A storage that does not answer costs the job its queue, as Hangfire itself would, but no attempt.</remarks>
    private static string? ForgottenQueue(PerformContext context, ElectionRecords records)
    {
        if (context.BackgroundJob.Job.Queue is not null)
        {
            return null;
        }

        try
        {
            IDictionary<string, string>? enqueued = context.Storage.GetMonitoringApi().JobDetails(context.BackgroundJob.Id)?
                .History.FirstOrDefault(h => h.StateName == EnqueuedState.StateName)?.Data;
            return enqueued?.TryGetValue("Queue", out string? queue) == true && queue != EnqueuedState.DefaultQueue ? queue : null;
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            records.QueueNotRead(e, context.BackgroundJob.Id, context.Storage);
            return null;
        }
    }
}
