using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;

namespace JobLocking.Hangfire;

/// <summary>
/// Scheduled by a deferral. Its data contains the mark of the deferral, which distinguishes it from a schedule that the job gets in another
/// way.
/// </summary>
internal sealed class DeferredState(TimeSpan delay, StoredDeferral deferral) : ScheduledState(delay), IState
{
    public const string Key = "JobLocking.Deferral";

    public StoredDeferral Deferral { get; } = deferral;

    Dictionary<string, string> IState.SerializeData() => new(SerializeData()) { [Key] = Deferral.Mark };

    /// <summary>
    /// Decides under which name a deferred job is in the schedule.
    /// <para>
    /// A job that was put into its queue only by its state is there as "queue:id": its queue is in no other place where Hangfire itself
    /// would find it, and a process without JobLocking would enqueue the job in the default queue.
    /// </para>
    /// <para>
    /// Any other job is there under its plain id, even if it has a queue of its own. Hangfire would write "queue:id",
    /// and its scheduler would move that to the queue without a change of state. Only the lock of the whole schedule could prevent
    /// this, and the wake-ups of the cluster would wait for it one after another. Under its plain id, the job changes its state under
    /// its own lock, and Hangfire still enqueues it in its own queue.
    /// </para>
    /// </summary>
    /// <remarks>
    /// It runs after Hangfire's own handler, in the same transaction; a filter cannot do that. If a process without JobLocking takes the
    /// job out of the schedule, the plain id is left behind, and the scheduler drops it when it is due.
    /// </remarks>
    internal sealed class Handler : IStateHandler
    {
        private const string Schedule = "schedule";

        private static readonly Lock Registration = new();

        string IStateHandler.StateName => StateName;

        /// <summary>Hangfire has handlers only for the whole process.</summary>
        public static void Register()
        {
            lock (Registration)
            {
                if (!GlobalStateHandlers.Handlers.OfType<Handler>().Any())
                {
                    GlobalStateHandlers.Handlers.Add(new Handler());
                }
            }
        }

        public void Apply(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            if (context is not { NewState: DeferredState deferred, BackgroundJob: { Id: var id, Job.Queue: var queue } })
            {
                return;
            }

            // In this order: if the storage fails at the second, the job is still in the schedule.
            if (queue is not null)
            {
                transaction.AddToSet(Schedule, id, JobHelper.ToTimestamp(deferred.EnqueueAt));
                transaction.RemoveFromSet(Schedule, $"{queue}:{id}");
            }
            else if (deferred.Deferral.Record.Queue is { } forgotten)
            {
                transaction.AddToSet(Schedule, $"{forgotten}:{id}", JobHelper.ToTimestamp(deferred.EnqueueAt));
                transaction.RemoveFromSet(Schedule, id);
            }
        }

        public void Unapply(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            string id = context.BackgroundJob.Id;
            if (context.BackgroundJob.Job?.Queue is not null)
            {
                transaction.RemoveFromSet(Schedule, id);
            }
            else if (context.NewState is WokenState { Deferral.Record.Queue: { } forgotten })
            {
                transaction.RemoveFromSet(Schedule, $"{forgotten}:{id}");
            }
        }
    }
}
