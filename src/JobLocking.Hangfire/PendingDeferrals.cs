using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// Bounds how many deferrals of one recurring job wait for one lock. Those that count are in a set of the storage, from before
/// the job is deferred until it runs. An entry counts while its job is deferred, or on its way out of the deferral or into it.
/// </summary>
/// <remarks>
/// A deferral that does not count costs no request. Two firings at once on two nodes may both find room. A storage that fails, or
/// that has no such sets, bounds nothing: the job is deferred.
/// </remarks>
internal sealed class PendingDeferrals(ILogger logger)
{
    /// <summary>So many are looked at in one step: those that were deferred first, and should have run first.</summary>
    private const int Page = 10;

    /// <summary>So many deferrals of a recurring job wait for one lock, if the schedule wants each of its executions.</summary>
    private const int MostOfAll = 1000;

    private readonly Lock _gate = new();

    /// <summary>How many deferrals of the same recurring job may wait for the same lock, if this is to be one; null if any number may.</summary>
    /// <remarks>
    /// What the schedule does not run again is wanted each time, within reason. What it does run again is worth one deferral when
    /// the store is away; but contention with another job defers each execution for itself.
    /// </remarks>
    public static int? Most(LockExecution execution, LockDecision.Defer defer) =>
        execution is not { Origin: ExecutionOrigin.Recurring, RunsAgain: { } runsAgain } ? null
            : !runsAgain.Value ? MostOfAll
            : defer.IsUnavailable ? 1
            : null;

    /// <summary>
    /// The set that counts the deferrals of the recurring job for the lock: of the same method, with the same arguments. Some storages
    /// take no long keys.
    /// </summary>
    /// <returns>Null if the arguments cannot be compared: then nothing is counted.</returns>
    public static string? SetOf(LockExecution execution, Job job) =>
        JobIdentity.Of(job, execution.Job, installation: "") is { } work
            ? $"joblocking:deferred:{SameJob.Of(work, execution.Name)}"
            : null;

    /// <summary>Counts a deferral that is about to be stored.</summary>
    /// <param name="connection">The storage.</param>
    /// <param name="set">From <see cref="SetOf"/>.</param>
    /// <param name="execution">The execution.</param>
    /// <param name="defer">What was decided.</param>
    /// <param name="most">How many may be pending.</param>
    /// <returns>Null if it may be stored; else why it is not, since others do its work.</returns>
    public string? Count(IStorageConnection connection, string set, LockExecution execution, LockDecision.Defer defer, int most)
    {
        if (TryAdd(connection, set, execution.Execution, defer.State.FirstDeferredAt, most))
        {
            return null;
        }

        if (most == 1)
        {
            Log.Coalesced(logger, execution.Job, execution.Execution, defer.Reason);
            return $"a deferral of the same recurring job is pending; {defer.Reason}";
        }

        Log.TooManyPending(logger, execution.Job, execution.Execution, most, defer.Reason);
        return $"{most} deferrals of the same recurring job are pending; {defer.Reason}";
    }

    /// <summary>The job runs, or fails for good: it stands for no other any more.</summary>
    public void Remove(IStorageConnection connection, string set, string job)
    {
        try
        {
            Remove(connection, set, [job]);
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.DeferralNotCounted(logger, e, job, connection.GetType().Name);
        }
    }

    private bool TryAdd(IStorageConnection connection, string set, string job, DateTimeOffset deferredAt, int most)
    {
        if (connection is not JobStorageConnection sets)
        {
            return true;
        }

        try
        {
            // Workers of one server that look at the same time would each find room.
            lock (_gate)
            {
                if (!HasRoom(sets, set, job, most))
                {
                    return false;
                }

                using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
                transaction.AddToSet(set, job, JobHelper.ToTimestamp(deferredAt.UtcDateTime));
                transaction.Commit();
            }
        }
#pragma warning disable CA1031 // Any fault of any storage, and what it may not support.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.DeferralNotCounted(logger, e, job, connection.GetType().Name);
        }

        return true;
    }

    /// <summary>Takes out what only seems to wait: the entry of a job that was deleted, or of this one, if it was here before.</summary>
    private static bool HasRoom(JobStorageConnection connection, string set, string job, int most)
    {
        while (connection.GetSetCount(set) >= most)
        {
            List<string> first = connection.GetRangeFromSet(set, 0, Page - 1);
            string[] over = [.. first.Where(one => one == job || !IsPending(connection, one))];
            if (over.Length == 0)
            {
                return first.Count == 0;
            }

            Remove(connection, set, over);
        }

        return true;
    }

    /// <summary>Deleted, expired or rescheduled by somebody it is not; and once it runs it is not in the set any more.</summary>
    private static bool IsPending(JobStorageConnection connection, string job) => connection.GetStateData(job) switch
    {
        { Name: var name, Data: var data } when name == ScheduledState.StateName => data?.ContainsKey(DeferredState.Key) == true,
        { Name: var name } => name == EnqueuedState.StateName || name == ProcessingState.StateName,
        null => false,
    };

    private static void Remove(IStorageConnection connection, string set, IReadOnlyCollection<string> jobs)
    {
        using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
        foreach (string job in jobs)
        {
            transaction.RemoveFromSet(set, job);
        }

        transaction.Commit();
    }
}
