using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// Limits how many deferrals of one recurring job wait for one lock. A set in the storage has an entry for each, from before the job is
/// deferred until it runs. An entry counts while its job is deferred, or on its way into or out of the deferral.
/// </summary>
/// <remarks>
/// A deferral without a limit costs no request. Two firings at once on two nodes may both find room. If the storage fails, or has no
/// sets, there is no limit: the job is deferred.
/// </remarks>
internal sealed class PendingDeferrals(ILogger logger)
{
    /// <summary>How many entries one step checks: those that were deferred first, since they should have run first.</summary>
    private const int Page = 10;

    /// <summary>The limit for a recurring job whose schedule wants each of its executions.</summary>
    private const int MostOfAll = 1000;

    private readonly Lock _gate = new();

    /// <summary>
    /// How many deferrals of the same recurring job may wait for the same lock, if this execution is to be one of them; null if there is no
    /// limit.
    /// </summary>
    /// <remarks>
    /// Each execution that the schedule does not run again is deferred, within reason. Of those that it runs again, one deferral is
    /// enough while the store is unavailable. Contention with another job defers each execution.
    /// </remarks>
    public static int? Most(LockExecution execution, LockDecision.Defer defer) =>
        execution is not { Origin: ExecutionOrigin.Recurring, RunsAgain: { } runsAgain } ? null
            : !runsAgain.Value ? MostOfAll
            : defer.IsUnavailable ? 1
            : null;

    /// <summary>
    /// The set that counts the deferrals of the recurring job for the lock: of the same method, with the same arguments. Some storages do
    /// not accept long keys.
    /// </summary>
    /// <returns>Null if the arguments cannot be compared: then there is no limit.</returns>
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
    /// <returns>Null if it may be stored; otherwise the reason why not: other deferrals do its work.</returns>
    public string? Count(IStorageConnection connection, string set, LockExecution execution, LockDecision.Defer defer, int most)
    {
        if (TryAdd(connection, set, execution.Execution, defer.State.FirstDeferredAt!.Value, most))
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

    /// <summary>The job runs, or has failed: its deferral is over.</summary>
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
            // Workers of one server that check at the same time would each find room.
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
#pragma warning disable CA1031 // Any fault of any storage, including members that it does not support.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.DeferralNotCounted(logger, e, job, connection.GetType().Name);
        }

        return true;
    }

    /// <summary>
    /// Removes entries of jobs that do not wait any more: those of deleted jobs, and that of this job, if it was deferred before.
    /// </summary>
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

    /// <summary>False for a job that was deleted, has expired, or was rescheduled by a user. A job that runs is not in the set.</summary>
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
