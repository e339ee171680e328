using Hangfire;
using Hangfire.States;
using Hangfire.Storage;

namespace JobLocking.Hangfire;

/// <summary>The deferral of one job, from the storage's point of view: how it is told from whatever else becomes of the job, and how it ends early.</summary>
/// <param name="JobId">The id of the job.</param>
/// <param name="Record">What the deferral leaves for the attempt after it.</param>
/// <param name="LockName">The lock it waits for, for people.</param>
internal sealed record Deferral(string JobId, AttemptRecord Record, string LockName)
{
    /// <summary>No two deferrals have the same.</summary>
    public string Mark { get; } = Record.Deferral!;

    /// <summary>Enqueues the job if it is still deferred by this very deferral, and says whether it was.</summary>
    /// <param name="storage">The storage of the job.</param>
    /// <param name="filters">The filters of the server that deferred it; ours, which has the last word, is among them.</param>
    public bool Wake(JobStorage storage, StateMachine filters)
    {
        using IStorageConnection connection = storage.GetConnection();
        try
        {
            IState? applied = new BackgroundJobStateChanger(filters).ChangeState(
                new StateChangeContext(storage, connection, JobId, new WokenState(this), ScheduledState.StateName));
            return applied?.Name == EnqueuedState.StateName;
        }
        catch (DeferralOverException)
        {
            return false;
        }
    }

    /// <summary>
    /// Looks under the lock of the job's state whether the job is still deferred: between this and the change of state nobody
    /// can come. Who has rescheduled it keeps a state of the same name; only an exception leaves that as it is.
    /// </summary>
    /// <remarks>What the storage throws leaves the job as it is, too, and has the wake tried again: nothing but a wake elects this.</remarks>
    public void Admit(ElectStateContext context, ElectionRecords records)
    {
        if (context.Connection.GetStateData(JobId)?.Data?.TryGetValue(DeferredState.Key, out string? mark) != true || mark != Mark)
        {
            throw new DeferralOverException();
        }

        records.TryWrite(Record with { State = Record.State?.Woken() }, context);
    }

    /// <summary>Ends the wake's own change of state; it never leaves <see cref="Wake"/>.</summary>
    private sealed class DeferralOverException : Exception;
}
