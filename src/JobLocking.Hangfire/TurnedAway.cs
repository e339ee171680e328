using Hangfire;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>An execution that does not run now, on its way from the filter that cancelled it to the election of its next state.</summary>
internal sealed record TurnedAway(TaskLockFilter Filter, LockExecution Execution, LockDecision Decision, AttemptRecord Record)
{
    private ApplyStateContext? _applied;

    /// <summary>Which deferrals do its work, so that it is not deferred itself; null if it is, or was never to be.</summary>
    public string? Coalesced { get; init; }

    /// <summary>Deferred, coalesced or skipped, as its record says.</summary>
    public string Outcome => Record.Outcome!;

    /// <summary>Remembers what became of the attempt.</summary>
    /// <param name="filter">The filter that asked.</param>
    /// <param name="execution">The execution.</param>
    /// <param name="decision">What was decided.</param>
    /// <param name="record">What the attempts before have left.</param>
    /// <param name="job">The job that Hangfire knows: the outer one of an inner job.</param>
    /// <param name="storage">The storage of that job; an inner job may be performed without one.</param>
    /// <param name="records">Tells of what cannot be read.</param>
    public static TurnedAway From(
        TaskLockFilter filter,
        LockExecution execution,
        LockDecision decision,
        AttemptRecord record,
        BackgroundJob job,
        JobStorage? storage,
        ElectionRecords records) =>
        new(filter, execution, decision, decision is not LockDecision.Defer defer
            ? record with { Outcome = AttemptRecord.Skipped }
            : record with
            {
                Outcome = AttemptRecord.Deferred,
                State = defer.State,
                Queue = record.Queue ?? (storage is null ? null : ForgottenQueue(job, storage, records)),
            });

    /// <summary>Why a skipped job was deleted.</summary>
    public static string Reason(LockDecision.Skip skip) => $"Skipped: {skip.Reason}";

    /// <remarks>
    /// Hangfire proposes Deleted for a job that a filter cancelled, and Failed for a job that the exception of an inner job ended. The
    /// history keeps the proposed state if this replaces it. The record is always written: if an operator starts a deleted job again,
    /// that is a second attempt.
    /// </remarks>
    public void Elect(ElectStateContext context, ElectionRecords records)
    {
        string? deleted = Coalesced is not null ? $"Coalesced: {Coalesced}" : Decision is LockDecision.Skip skip ? Reason(skip) : null;
        switch (context.CandidateState)
        {
            case DeletedState canceled:
                canceled.Reason = deleted ?? "Replaced by the deferral";
                break;
            case FailedState failed when InnerJobTurnedAwayException.Of(failed.Exception)?.TurnedAway == this:
                failed.Reason = $"Replaced: the inner job {Execution.Job} is {Outcome}";
                if (deleted is not null)
                {
                    context.CandidateState = new DeletedState { Reason = deleted };
                }

                break;
            case SucceededState:
                records.InnerJobIgnored(this, context.BackgroundJob.Id);
                return;
            default:
                return;
        }

        records.TryWrite(Record, context);
        if (deleted is not null || Decision is not LockDecision.Defer defer)
        {
            return;
        }

        // Hangfire's schedule rounds down to whole seconds: less than one would come back at once, again and again.
        TimeSpan delay = TimeSpan.FromSeconds(Math.Ceiling(defer.Delay.TotalSeconds));
        context.CandidateState = new DeferredState(delay, new Deferral(context.BackgroundJob.Id, Record, Execution.Name))
        {
            Reason = $"Deferred ({defer.State.Deferrals}): {defer.Reason}",
        };
    }

    /// <summary>
    /// Tells the engine what was elected in the end, also by the filters after ours. The state is stored just after this;
    /// who wakes the job earlier waits for the lock of its state. Should it not be stored, the wake finds no deferral.
    /// </summary>
    public void Apply(ApplyStateContext context)
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
            defer.Stored(() => filters is null ? new ValueTask<bool>(false) : Wakes.StartAsync(() => deferral.Wake(storage, filters)));
        }
        else
        {
            defer.NotStored();
        }
    }

    /// <summary>
    /// A job created in a queue by its state alone, <c>Create(…, new EnqueuedState("critical"))</c>, would come back in the
    /// default queue. Only its history knows; queues of the job itself and of <c>[Queue]</c> return by themselves.
    /// </summary>
    /// <remarks>A storage that does not answer costs the job its queue, as Hangfire itself would, but no attempt.</remarks>
    private static string? ForgottenQueue(BackgroundJob job, JobStorage storage, ElectionRecords records)
    {
        if (job.Job.Queue is not null)
        {
            return null;
        }

        try
        {
            IDictionary<string, string>? enqueued = storage.GetMonitoringApi().JobDetails(job.Id)?
                .History.FirstOrDefault(h => h.StateName == EnqueuedState.StateName)?.Data;
            return enqueued?.TryGetValue("Queue", out string? queue) == true && queue != EnqueuedState.DefaultQueue ? queue : null;
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            records.QueueNotRead(e, job.Id, storage);
            return null;
        }
    }
}
