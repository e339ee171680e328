using Hangfire;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>
/// Carries out the decision not to run an execution now: from the filter that cancelled it to the election of its next state.
/// </summary>
internal sealed record JobDecision(TaskLockFilter Filter, LockExecution Execution, LockDecision Decision, AttemptRecord Record)
{
    private ApplyStateContext? _applied;

    /// <summary>Which deferrals do its work, so that it is not deferred itself; null if it does not coalesce.</summary>
    public string? Coalesced { get; init; }

    /// <summary>Deferred, coalesced or skipped, as its record says.</summary>
    public string Outcome => Record.Outcome!;

    /// <summary>The decision, with what the attempt leaves for the next.</summary>
    /// <param name="filter">The filter that asked.</param>
    /// <param name="execution">The execution.</param>
    /// <param name="decision">What was decided.</param>
    /// <param name="record">What earlier attempts have stored.</param>
    /// <param name="job">The job that Hangfire knows: for an inner job, the outer one.</param>
    /// <param name="storage">The storage of that job; an inner job may be performed without one.</param>
    /// <param name="records">Warns of what cannot be read.</param>
    public static JobDecision From(
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

    /// <summary>The reason of the Deleted state of a skipped job.</summary>
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
            case FailedState failed when InnerJobNotRunException.Of(failed.Exception)?.Decision == this:
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
        context.CandidateState = new DeferredState(delay, new StoredDeferral(context.BackgroundJob.Id, Record, Execution.Name))
        {
            Reason = $"Deferred ({defer.State.Deferrals}): {defer.Reason}",
        };
    }

    /// <summary>The decision will not be carried out. A deferral leaves the waiting queue.</summary>
    public void Abandon() => (Decision as LockDecision.Defer)?.NotStored();

    /// <summary>
    /// Tells the engine whether the deferral is the elected state, after all filters. The state is stored just after this; a wake-up
    /// that comes earlier waits for Hangfire's lock of the job. If the state is not stored, the wake-up finds no deferral.
    /// </summary>
    public void Apply(ApplyStateContext context)
    {
        // Once for each attempt to change the state, however often the filter is registered.
        if (Decision is not LockDecision.Defer defer || _applied == context)
        {
            return;
        }

        _applied = context;
        if (context.NewState is DeferredState { Deferral: var deferral })
        {
            // Nothing else of the context may be used after the change of state. Hangfire's own state changers always name their filters.
            JobStorage storage = context.Storage;
            StateMachine? filters = context.StateMachine as StateMachine;
            defer.Stored(() => filters is null ? new ValueTask<bool>(false) : WakeUp.StartAsync(() => deferral.Wake(storage, filters)));
        }
        else
        {
            defer.NotStored();
        }
    }

    /// <summary>
    /// The queue of a job that was put into it only by its state, <c>Create(…, new EnqueuedState("critical"))</c>. Only its history
    /// has it, and the job would come back in the default queue. The queue of the job itself, or of <c>[Queue]</c>, is kept by Hangfire.
    /// </summary>
    /// <remarks>If the storage does not answer, the job comes back in the default queue, as it would without us.</remarks>
    private static string? ForgottenQueue(BackgroundJob job, JobStorage storage, ElectionRecords records)
    {
        if (job.Job.Queue is not null)
        {
            return null;
        }

        try
        {
            return JobQueue.InHistory(storage, job.Id) is { } queue and not EnqueuedState.DefaultQueue ? queue : null;
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
