using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;

namespace JobLocking.Hangfire;

/// <summary>Scheduled by a deferral, which it bears the mark of: a schedule that somebody else gives the job meanwhile does not.</summary>
internal sealed class DeferredState(TimeSpan delay, Deferral deferral) : ScheduledState(delay), IState
{
    public const string Key = "JobLocking.Deferral";

    public Deferral Deferral { get; } = deferral;

    Dictionary<string, string> IState.SerializeData() => new(SerializeData()) { [Key] = Deferral.Mark };

    /// <summary>
    /// Keeps a deferred job in the schedule under its plain id, even if it has a queue of its own. Hangfire writes "queue:id"
    /// then, which its scheduler moves to that queue without a change of state: against that only the lock of the whole
    /// schedule helps, and wakes would queue for it across the cluster. Under its plain id the job changes its state, under
    /// its own lock, and Hangfire enqueues it in its own queue all the same.
    /// </summary>
    /// <remarks>
    /// Comes after Hangfire's own handler, in the same transaction, which a filter cannot. A process without JobLocking that
    /// takes the job out of the schedule leaves the plain id behind; the scheduler drops it when it is due.
    /// </remarks>
    internal sealed class Handler : IStateHandler
    {
        private const string Schedule = "schedule";

        private static readonly Lock Registration = new();

        string IStateHandler.StateName => StateName;

        /// <summary>Hangfire knows no handlers but those of the whole process.</summary>
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
            if (context.NewState is DeferredState deferred && context.BackgroundJob is { Id: var id, Job.Queue: { } queue })
            {
                // In this order: a storage that fails at the second leaves the job in the schedule.
                transaction.AddToSet(Schedule, id, JobHelper.ToTimestamp(deferred.EnqueueAt));
                transaction.RemoveFromSet(Schedule, $"{queue}:{id}");
            }
        }

        public void Unapply(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            if (context.BackgroundJob is { Id: var id, Job.Queue: not null })
            {
                transaction.RemoveFromSet(Schedule, id);
            }
        }
    }
}
