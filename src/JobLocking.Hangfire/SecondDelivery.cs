using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>
/// One delivery of a job that is running already, as far as its storage knows: most storages deliver a job again once its run takes longer
/// than their invisibility timeout. The job is left alone, unless its run is dead.
/// </summary>
/// <remarks>
/// An election may not ask the lock store. So it throws <see cref="SecondDeliveryException"/> where <see cref="DeliveryStateChanger"/>
/// catches that, asks, and changes nothing if the run is alive. Where it is not registered, the election puts the state of the first run
/// back, and <see cref="TaskLockFilter.OnPerforming"/> asks; each such delivery costs two rows of history.
/// <para>
/// A delivery that is left alone is postponed: it goes into Hangfire's schedule as <c>queue:id</c>. Hangfire writes that itself for jobs
/// with a queue of their own, and moves it to the queue without a change of state.
/// </para>
/// </remarks>
internal sealed class SecondDelivery
{
    private const string ScheduleKey = "schedule";

    /// <summary>How far the clocks of two nodes are taken to differ at most.</summary>
    private static readonly TimeSpan LongestClockDifference = TimeSpan.FromMinutes(1);

    private static readonly ConditionalWeakTable<BackgroundJob, SecondDelivery> Known = [];

    private static readonly ConditionalWeakTable<JobStorage, string> InMemory = [];

    /// <summary>What <see cref="DeliveryStateChanger"/> does on this thread.</summary>
    [ThreadStatic]
    private static Stages _stage;

    private readonly ProcessingState _own;
    private IDictionary<string, string> _firstRun;

    private SecondDelivery(IDictionary<string, string> firstRun, ProcessingState own, bool hasReplacedFirst) =>
        (_firstRun, _own, HasReplacedFirst) = (firstRun, own, hasReplacedFirst);

    public enum Stages
    {
        /// <summary>It is not on the stack.</summary>
        Absent,

        /// <summary>It catches the exception of an election.</summary>
        Catches,

        /// <summary>It has asked, and the first run is dead.</summary>
        TakesOver,
    }

    public static Stages Stage
    {
        get => _stage;
        set => _stage = value;
    }

    /// <summary>Whether the state of the job names the worker of this delivery, and no longer that of the first run.</summary>
    public bool HasReplacedFirst { get; private set; }

    /// <summary>The second delivery that an execution is; null if the job was not running.</summary>
    public static SecondDelivery? Of(BackgroundJob job) => Known.TryGetValue(job, out SecondDelivery? known) ? known : null;

    /// <summary>Describes a delivery to the engine.</summary>
    /// <remarks>
    /// Storages of their own give out the same ids. The time of the creation tells their jobs apart. A storage in memory calculates that
    /// time at each read, so it gets an id of its own. Hangfire.PostgreSql may give the time in the zone of the machine.
    /// </remarks>
    public static JobDelivery Describe(BackgroundJob job, JobStorage? storage, bool isSecond)
    {
        if (storage is not null && UnsharedStorages.IsInMemory(storage))
        {
            return new JobDelivery($"{job.Id}-{InMemory.GetValue(storage, static _ => Guid.NewGuid().ToString("N"))}", isSecond);
        }

        DateTime created = job.CreatedAt.Kind == DateTimeKind.Local ? job.CreatedAt.ToUniversalTime() : job.CreatedAt;
        return new JobDelivery($"{job.Id}-{created.Ticks:x}", isSecond);
    }

    /// <summary>The election of Processing for a job that is Processing.</summary>
    /// <exception cref="SecondDeliveryException">For <see cref="DeliveryStateChanger"/>.</exception>
    public static void Elect(ElectStateContext context, TaskLockFilter filter, ElectionRecords records)
    {
        if (Stage == Stages.Catches)
        {
            throw new SecondDeliveryException(filter, context.BackgroundJob);
        }

        ProcessingState own = (ProcessingState)context.CandidateState;
        bool takesOver = Stage == Stages.TakesOver;
        IDictionary<string, string> first = records.State(context)?.Data ?? own.SerializeData();
        Known.AddOrUpdate(context.BackgroundJob, new SecondDelivery(first, own, takesOver));
        if (!takesOver)
        {
            context.CandidateState = new RunningState(first, "Delivered again while it runs");
        }
    }

    /// <summary>
    /// The election of Processing for a job that is Scheduled. What is in the schedule as <c>queue:id</c> gets here without a change of
    /// state, when it is due. A postponed delivery gets here before: the job waits for a retry or a lock by now, and does not run before
    /// its time.
    /// </summary>
    /// <exception cref="SecondDeliveryException">For <see cref="DeliveryStateChanger"/>.</exception>
    public static void ElectScheduled(ElectStateContext context, TaskLockFilter filter, ElectionRecords records, DateTimeOffset now)
    {
        if (records.State(context) is not { Data: { } data } scheduled
            || !data.TryGetValue("EnqueueAt", out string? text)
            || JobHelper.DeserializeNullableDateTime(text) is not { } at || at <= now.UtcDateTime.AddSeconds(1))
        {
            return;
        }

        // If the clock of the scheduler is ahead of this one, the job is due there already, and the scheduler would deliver it again at
        // once, and again. The clocks then differ by the wait that this one still sees.
        TimeSpan left = at - now.UtcDateTime;
        DateTime next = at + (left < LongestClockDifference ? left : LongestClockDifference);
        if (Stage == Stages.Catches)
        {
            throw new SecondDeliveryException(filter, context.BackgroundJob) { WaitsUntil = next };
        }

        context.CandidateState = new WaitingState(next, data) { Reason = scheduled.Reason };
    }

    /// <summary>
    /// Has the storage deliver a job that waits again when its wait is over. The delivery that is dropped may have been the very entry that
    /// the job has in the schedule. Or another worker may have fetched the same delivery, and take it a moment later for the one that is
    /// due; then nothing else would bring the job back if that worker dies.
    /// </summary>
    public static void KeepWaiting(JobStorage storage, IStorageConnection connection, BackgroundJob job, DateTime until)
    {
        string? deferredFrom = AttemptRecord.Read(connection, job).Queue;
        Schedule(connection, deferredFrom is null ? Member(storage, job) : $"{deferredFrom}:{job.Id}", until);
    }

    /// <summary>
    /// The first run is dead. Another delivery may take the job over at the same time; the one that runs it says so last.
    /// </summary>
    public void TakeOver(PerformContext context)
    {
        if (context.Connection.GetStateData(context.BackgroundJob.Id) is { Data: { } replaced } state && !IsOwn(state))
        {
            _firstRun = replaced;
            Apply(context, new RunningState(_own.SerializeData(), "Its first run is dead"));
        }

        HasReplacedFirst = true;
    }

    /// <summary>
    /// The first run is alive after all; or another delivery has taken the job over at the same time, and then the state may be that of its
    /// run by now.
    /// </summary>
    public void PutBack(PerformContext context)
    {
        if (IsOwn(context.Connection.GetStateData(context.BackgroundJob.Id)))
        {
            Apply(context, new RunningState(_firstRun, "Its first run is alive"));
        }
    }

    /// <summary>Has the storage deliver the job again.</summary>
    public static void Postpone(JobStorage storage, IStorageConnection connection, BackgroundJob job, DateTimeOffset at) =>
        Schedule(connection, Member(storage, job), at.UtcDateTime);

    /// <summary>
    /// The run of a job ends because its server stops, and the worker puts the job back into its queue. Some storages cannot do that once
    /// they have delivered the job a second time, so a postponed delivery comes back now.
    /// </summary>
    public static void DeliverPostponed(PerformContext context)
    {
        string member = Member(context.Storage, context.BackgroundJob);
        if (!IsScheduled(context.Storage, context.Connection, member))
        {
            return;
        }

        // In this order: on a storage whose transactions are none, the job is in one of the two at any time.
        using IWriteOnlyTransaction transaction = context.Connection.CreateWriteTransaction();
        transaction.AddToQueue(member[..member.LastIndexOf(':')], context.BackgroundJob.Id);
        transaction.RemoveFromSet(ScheduleKey, member);
        transaction.Commit();
    }

    private static void Schedule(IStorageConnection connection, string member, DateTime at)
    {
        using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
        transaction.AddToSet(ScheduleKey, member, JobHelper.ToTimestamp(at));
        transaction.Commit();
    }

    private static bool IsScheduled(JobStorage storage, IStorageConnection connection, string member)
    {
        if (connection is JobStorageConnection known && storage.HasFeature(JobStorageFeatures.Connection.GetSetContains))
        {
            try
            {
                return known.GetSetContains(ScheduleKey, member);
            }
            catch (NotSupportedException)
            {
                // Hangfire.Storage.SQLite says that it has this feature, and has not.
            }
        }

        return connection.GetAllItemsFromSet(ScheduleKey).Contains(member);
    }

    private static string Member(JobStorage storage, BackgroundJob job) =>
        $"{job.Job?.Queue ?? JobQueue.InHistory(storage, job.Id) ?? EnqueuedState.DefaultQueue}:{job.Id}";

    private bool IsOwn(StateData? state) =>
        state is { Name: var name, Data: { } data } && name == ProcessingState.StateName
        && data.TryGetValue(nameof(ProcessingState.ServerId), out string? server) && server == _own.ServerId
        && data.TryGetValue(nameof(ProcessingState.WorkerId), out string? worker) && worker == _own.WorkerId;

    private static void Apply(PerformContext context, RunningState state) => new BackgroundJobStateChanger().ChangeState(
        new StateChangeContext(context.Storage, context.Connection, context.BackgroundJob.Id, state, ProcessingState.StateName));

    /// <summary>Processing, by the server and worker that the data names.</summary>
    private sealed class RunningState(IDictionary<string, string> data, string reason) : IState
    {
        public string Name => ProcessingState.StateName;

        public string Reason => reason;

        public bool IsFinal => false;

        public bool IgnoreJobLoadException => false;

        public Dictionary<string, string> SerializeData() => new(data);
    }

    /// <summary>Scheduled as before.</summary>
    private sealed class WaitingState(DateTime at, IDictionary<string, string> data) : ScheduledState(at), IState
    {
        Dictionary<string, string> IState.SerializeData() => new(data);
    }
}
