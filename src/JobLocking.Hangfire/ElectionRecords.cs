using System.Collections.Concurrent;
using Hangfire;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// Reads and writes attempt records in elections. Hangfire repeats an election that throws, blocks a worker meanwhile, and at last fails
/// the job. The same holds when the run of a job ends. So no fault of a storage leaves this class, whether the storage lacks a member that
/// it claims to have or does not answer.
/// </summary>
internal sealed class ElectionRecords(ILogger logger)
{
    private readonly ConcurrentDictionary<Type, bool> _refused = [];

    /// <summary>Writes a record in the transaction of the new state if the storage can, and just before it otherwise.</summary>
    /// <returns>Whether it was written. If not, a deferral still comes back, as if it had not been deferred before.</returns>
    public bool TryWrite(AttemptRecord record, ElectStateContext context)
    {
        string job = context.BackgroundJob.Id;
        try
        {
            if (!WithState(record, context))
            {
                record.Write(context.Connection, job);
            }

            return true;
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.RecordNotWritten(logger, e, job, Name(context.Storage), AttemptRecord.Parameter);
            return false;
        }
    }

    /// <summary>The queue that Hangfire would have forgotten; null if there is none, or if it cannot be read.</summary>
    public string? Queue(ElectStateContext context)
    {
        try
        {
            return AttemptRecord.Read(context.Connection, context.BackgroundJob).Queue;
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            QueueNotRead(e, context.BackgroundJob.Id, context.Storage);
            return null;
        }
    }

    /// <summary>The state that a job has at its election; null if it cannot be read.</summary>
    public StateData? State(ElectStateContext context)
    {
        try
        {
            return context.Connection.GetStateData(context.BackgroundJob.Id);
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.StateNotRead(logger, e, context.BackgroundJob.Id, Name(context.Storage));
            return null;
        }
    }

    /// <summary>What the last attempt of a job has left; null if it cannot be read.</summary>
    public AttemptRecord? Left(ApplyStateContext context)
    {
        try
        {
            return AttemptRecord.Read(context.Connection, context.BackgroundJob);
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.DeferralStateNotRead(logger, e, context.BackgroundJob.Id, Name(context.Storage));
            return null;
        }
    }

    /// <summary>Has a postponed delivery of the job, if there is one, come back now. If it cannot, it comes back when it is due.</summary>
    public void DeliverPostponed(PerformContext context)
    {
        try
        {
            SecondDelivery.DeliverPostponed(context);
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.PostponedNotDelivered(logger, e, context.BackgroundJob.Id, Name(context.Storage));
        }
    }

    public void InnerJobIgnored(JobDecision notRun, string outerJob) =>
        Log.InnerJobIgnored(logger, notRun.Execution.Job, outerJob, notRun.Outcome, notRun.Execution.Name);

    public void QueueNotRead(Exception error, string job, JobStorage storage) => Log.QueueNotRead(logger, error, job, Name(storage));

    private bool WithState(AttemptRecord record, ElectStateContext context)
    {
        try
        {
            if (context.Transaction is JobStorageTransaction transaction
                && context.Storage.HasFeature(JobStorageFeatures.Transaction.SetJobParameter))
            {
                transaction.SetJobParameter(context.BackgroundJob.Id, AttemptRecord.Parameter, record.ToString());
                return true;
            }
        }
#pragma warning disable CA1031 // Hangfire.Storage.SQLite 0.4.3 says that it can and throws NotSupportedException.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (_refused.TryAdd(context.Storage.GetType(), true))
            {
                Log.ParameterRefused(logger, e, Name(context.Storage));
            }
        }

        return false;
    }

    private static string Name(JobStorage storage) => storage.GetType().Name;
}
