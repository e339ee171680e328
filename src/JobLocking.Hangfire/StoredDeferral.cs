using Hangfire;
using Hangfire.States;
using Hangfire.Storage;

namespace JobLocking.Hangfire;

/// <summary>
/// The deferral of one job as the storage keeps it, and how a wake-up ends it: only if the job is still in this very deferral.
/// </summary>
/// <param name="JobId">The id of the job.</param>
/// <param name="Record">What the deferral leaves for the attempt after it.</param>
/// <param name="LockName">The lock it waits for, for people.</param>
internal sealed record StoredDeferral(string JobId, AttemptRecord Record, string LockName)
{
    /// <summary>Distinguishes this deferral from any other: the text of the engine's state, which no two deferrals share.</summary>
    public string Mark { get; } = Record.Deferral!;

    /// <summary>Enqueues the job if it is still in this deferral, and returns whether it was.</summary>
    /// <param name="storage">The storage of the job.</param>
    /// <param name="filters">The filters of the server that deferred it. Ours is among them, and calls <see cref="Admit"/>.</param>
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
    /// Checks that the job is still in this deferral. Hangfire holds its lock of the job here, so nothing can happen between the check
    /// and the change of state. A job that was rescheduled meanwhile has a state of the same name: only an exception leaves it alone.
    /// </summary>
    /// <remarks>If the storage throws, the job stays as it is, too, and the wake-up is tried again.</remarks>
    public void Admit(ElectStateContext context, ElectionRecords records)
    {
        if (context.Connection.GetStateData(JobId)?.Data?.TryGetValue(DeferredState.Key, out string? mark) != true || mark != Mark)
        {
            throw new DeferralOverException();
        }

        records.TryWrite(Record with { State = Record.State?.Woken() }, context);
    }

    /// <summary>Ends the change of state of a wake-up; it never leaves <see cref="Wake"/>.</summary>
    private sealed class DeferralOverException : Exception;
}
