using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace JobLocking.Hangfire;

/// <summary>Describes each execution of a server to the engine, asks for its lock, and carries out the decision.</summary>
/// <remarks>
/// Hangfire calls it in these phases:
/// <list type="table">
/// <listheader><term>Phase</term><description>What the filter does</description></listheader>
/// <item>
/// <term>Election of Processing, on a worker</term>
/// <description>
/// Skips a first attempt, if this process alone can tell that it must be skipped. Leaves a job alone that is running already, see
/// <see cref="SecondDelivery"/>.
/// </description>
/// </item>
/// <item>
/// <term><see cref="OnPerforming"/></term>
/// <description>
/// Asks the engine. Runs the job under its lease, or cancels it and keeps the <see cref="JobDecision"/>.
/// </description>
/// </item>
/// <item>
/// <term><see cref="OnPerformed"/></term>
/// <description>
/// Ends the run, and fails the job if the loss of its lease cancelled it. A shutdown counts more: then the job is queued again.
/// </description>
/// </item>
/// <item>
/// <term>Election after a cancelled job</term>
/// <description>
/// Replaces the proposed state by Deleted (skipped) or Scheduled (deferred).
/// </description>
/// </item>
/// <item><term>The elected state is applied</term><description>Tells the engine whether the deferral is stored.</description></item>
/// <item><term>Election by a wake-up</term><description>Accepts the wake-up only if the job is still in our deferral.</description></item>
/// <item>
/// <term>A job leaves its queue without a run</term>
/// <description>
/// Tells the engine, so that the next waiter is woken.
/// </description>
/// </item>
/// </list>
/// For jobs that are performed inside another job, see <see cref="InnerJobs"/>.
/// <para>
/// Server filters are synchronous. The filter may block on the engine: it runs on the worker's own thread, which Hangfire blocks for
/// the whole job anyway, and which has no synchronization context.
/// </para>
/// </remarks>
internal sealed class TaskLockFilter(
    LockEngine engine,
    LockPolicies policies,
    ElectionRecords records,
    Installations installations,
    RecurringJobs recurring,
    PendingDeferrals pending,
    UnsharedStorages storages,
    HangfireTaskLockOptions options,
    TimeProvider time)
    : IServerFilter, IElectStateFilter, IApplyStateFilter, IJobFilter
{
    private const string Item = "JobLocking";

    /// <summary>
    /// Outermost: it acquires the lock before other filters wait for anything, and elects a deferral before Hangfire looks at the
    /// continuations of the job.
    /// </summary>
    public const int Outermost = -1000;

    /// <summary>Hangfire still needs a job for a moment after its state has changed.</summary>
    private static readonly TimeSpan UnwantedJobIsKept = TimeSpan.FromMinutes(1);

    private readonly ServerWorkers _workers = new();

    /// <summary>
    /// The decisions that were elected for outer jobs, until they are applied. One change of state has one instance of the job.
    /// </summary>
    private readonly ConditionalWeakTable<BackgroundJob, JobDecision> _elected = [];

    private volatile bool _ended;

    public int Order => Outermost;

    /// <summary>Hangfire drops all filters of this type but the last.</summary>
    public bool AllowMultiple => false;

    /// <summary>Whether its host was disposed.</summary>
    public bool HasEnded => _ended;

    public static TaskLockFilter Create(IServiceProvider services) => Create(services, out _);

    public static TaskLockFilter Create(IServiceProvider services, out HangfireAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(services);
        LockPolicies policies = Required<LockPolicies>();
        StartChecks.Check(policies);
        DeferredState.Handler.Register();
        ILogger logger = ((ILoggerFactory?)services.GetService(typeof(ILoggerFactory)))?.CreateLogger(Log.Category) ?? NullLogger.Instance;
        TimeProvider time = (TimeProvider?)services.GetService(typeof(TimeProvider)) ?? TimeProvider.System;
        LockEngine engine = Required<LockEngine>();
        LockAdapters adapters = Required<LockAdapters>();
        adapter = adapters.GetOrAdd(() => new HangfireAdapter(services, adapters, policies, new Installations(engine), logger));
        TaskLockFilter filter = new(
            engine,
            policies,
            new ElectionRecords(logger),
            adapter.Installations,
            new RecurringJobs(time, logger),
            new PendingDeferrals(logger),
            UnsharedStorages.Of(services, policies, logger),
            ((IOptions<HangfireTaskLockOptions>?)services.GetService(typeof(IOptions<HangfireTaskLockOptions>)))?.Value ?? new(),
            time);
        adapter.Add(filter);
        return filter;

        T Required<T>()
            where T : class =>
            (T?)services.GetService(typeof(T)) ?? throw new TaskLockException(
                "UseTaskLocks: JobLocking is not among the services it was given. "
                + "Fix: call services.AddJobLocking().UseRedis(…) or .UseInMemory().");
    }

    /// <summary>The filter that has begun an execution, which also completes it.</summary>
    public static TaskLockFilter? Of(IReadOnlyDictionary<string, object>? data) =>
        data is null || !data.TryGetValue(Item, out object? item) ? null : (item as Running)?.Filter ?? (item as JobDecision)?.Filter;

    /// <summary>The host was disposed. Running jobs end as usual; no other job begins.</summary>
    public void End() => _ended = true;

    /// <summary>The run of an execution that has its lock; null for any other.</summary>
    public static LockDecision.Run? RunOf(PerformContext context) =>
        context.Items.TryGetValue(Item, out object? item) && item is Running running ? running.Run : null;

    /// <summary>Whether the job has a token of its own for the time of its lease.</summary>
    public static bool HasOwnToken(PerformContext context) =>
        context.Items.TryGetValue(Item, out object? item) && item is Running { Token: not null };

    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;
        bool isInner = InnerJobs.IsInner(context);
        if (!isInner)
        {
            InnerJobs.Begin(context.BackgroundJob);
        }

        // Another filter, of the process or of a provider that keeps both, has decided about this execution before.
        if (context.Items.ContainsKey(Item) || policies.Find(job.Type, job.Method) is not { } policy)
        {
            return;
        }

        if (_ended)
        {
            throw new TaskLockException(
                $"Job {policy.Job} #{context.BackgroundJob.Id} cannot have its lock '{policy.Template}': "
                + "the host that called UseTaskLocks for this server was disposed. "
                + "Fix: dispose the server first, or call UseTaskLocks with the services of the host that the server belongs to.");
        }

        // The outer job holds this lock: the inner job would wait for it, and the outer job would be run again and again.
        if (isInner && engine.IsHeldAround(JobExecution.LockName(policy, job)))
        {
            return;
        }

        SecondDelivery? second = isInner ? null : SecondDelivery.Of(context.BackgroundJob);
        if (second is { HasReplacedFirst: false })
        {
            // The state of the job names the worker of the first run. As soon as this worker uses its token, Hangfire would take it for one
            // that has lost its job, and the delivery would be gone. So it takes over before it uses the token.
            if (LeavesRunning(context.BackgroundJob, context.Storage!, context.Connection, context.ServerId, CancellationToken.None))
            {
                throw new JobAbortedException(); // The worker removes the delivery from its queue, and changes no state.
            }

            second.TakeOver(context);
        }

        InnerJobs? outer = InnerJobs.Current;
        BackgroundJob stored = isInner && outer is not null ? outer.Outer : context.BackgroundJob;
        AttemptRecord before = outer?.Record ?? AttemptRecord.Read(context.Connection, stored);
        outer?.Record = before;
        AttemptRecord record = before.Of(inner: isInner ? JobExecution.LockName(policy, job) : null);
        LockExecution execution = JobExecution.Describe(context, policy, record, recurring, installations) with
        {
            Workers = _workers.Of(context.Storage, context.ServerId),
            Delivery = isInner ? null : SecondDelivery.Describe(context.BackgroundJob, context.Storage, isSecond: second is not null),
        };
        if (!isInner)
        {
            storages.Check(context.Storage, execution);
        }

        if (!record.Begun)
        {
            // Before the acquire: if the process dies with the lock, the next attempt must not look like a first one, or it would be
            // skipped because of its own lease. An execution that is never skipped does not need this write.
            record = record with { Begun = true };
            if (policy.MaySkip(execution.Origin))
            {
                record.Write(context.Connection, stored.Id);
            }
        }

        LockDecision decision = WorkerThread.Wait(engine.DecideAsync(execution, context.CancellationToken.ShutdownToken));
        switch (decision)
        {
            case LockDecision.Run run:
                Begin(run, record, stored, second, context);
                break;
            case LockDecision.Postpone postpone:
                second?.PutBack(context);
                SecondDelivery.Postpone(context.Storage!, context.Connection, context.BackgroundJob, time.GetUtcNow() + postpone.Delay);
                throw new JobAbortedException(); // The worker removes the delivery from its queue, and changes no state.
            case LockDecision.Fail fail:
                EndWait(record, stored, context);
                throw fail.Error;
            default:
                JobDecision notRun = DoNotRun(execution, decision, record, stored, context);
                if (isInner)
                {
                    throw InnerJobs.Refuse(notRun, outer);
                }

                if (before is { Inner: { } innerLock, State: { } waits })
                {
                    // The deferral of the inner job may have been woken, but the outer job does not run now.
                    engine.Gone(innerLock, waits);
                }

                context.Items[Item] = notRun;
                context.Canceled = true;
                break;
        }
    }

    public void OnPerformed(PerformedContext context)
    {
        JobDecision? inner = InnerJobs.DecisionIn(context);
        Running? running = context.Items.TryGetValue(Item, out object? item) && item is Running mine && mine.Filter == this ? mine : null;
        if (running is not null)
        {
            context.Items.Remove(Item);
            running.Token?.Dispose();
        }

        if (!InnerJobs.IsInner(context))
        {
            InnerJobs.End(context.BackgroundJob, inner, records);

            // An exception filter may still handle the exception. Then Hangfire hands the decision to the election, in its place.
            if (inner is not null && inner.Filter == this)
            {
                context.Items.TryAdd(Item, inner);
            }
        }

        if (running is null)
        {
            return;
        }

        Exception? error = context.Canceled ? new OperationCanceledException("Another filter cancelled the job.")
            : context.ExceptionHandled ? null : context.Exception;

        // The same distinction as Hangfire's: the exception of a job that cancels itself arrives wrapped, and the job fails. The token of
        // this context is that of Hangfire, which a loss does not cancel.
        bool aborted = context.Canceled || inner is not null || error is JobAbortedException
            || (error is OperationCanceledException && context.CancellationToken.ShutdownToken.IsCancellationRequested);
        Exception? instead = End(running.Run, error is JobPerformanceException { InnerException: { } thrown } ? thrown : error, aborted);
        if (aborted && error is OperationCanceledException && !InnerJobs.IsInner(context))
        {
            records.DeliverPostponed(context);
        }

        if (instead is not null && !aborted)
        {
            throw instead;
        }
    }

    /// <remarks>
    /// Hangfire repeats an election that throws, blocks a worker meanwhile, and at last elects without filters. So nothing here throws
    /// because of us or of the storage.
    /// </remarks>
    public void OnStateElection(ElectStateContext context)
    {
        if (context.CandidateState is WokenState woken)
        {
            woken.Deferral.Admit(context, records);
        }
        else if (DecisionIn(context.CustomData?.AsReadOnly()) is { } notRun)
        {
            notRun.Elect(context, records);
        }
        else if (context.CandidateState is FailedState { Exception: var error }
            && InnerJobNotRunException.Of(error) is { Decision: var inner } && inner.Filter == this)
        {
            inner.Elect(context, records);
            _elected.AddOrUpdate(context.BackgroundJob, inner);
        }
        else if (context.CandidateState is ProcessingState)
        {
            Begins(context);
        }
        else if (context.CandidateState is EnqueuedState { Queue: EnqueuedState.DefaultQueue } enqueued
            && context.CurrentState == ScheduledState.StateName && MayHaveWaited(context.BackgroundJob))
        {
            enqueued.Queue = records.Queue(context) ?? enqueued.Queue;
        }
    }

    public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
    {
        if (DecisionIn(context.CustomData) is { } notRun || _elected.TryGetValue(context.BackgroundJob, out notRun))
        {
            notRun.Apply(context);
        }
        else if (context.OldStateName == EnqueuedState.StateName
            && context.NewState.Name != EnqueuedState.StateName && context.NewState.Name != ProcessingState.StateName)
        {
            LeaveQueue(context);
        }

        ExecutionOrigin? skipped = context.NewState is SkippedState early ? early.Origin
            : notRun is { Decision: LockDecision.Skip } ? notRun.Execution.Origin
            : null;
        if (skipped == ExecutionOrigin.Recurring && context.NewState is DeletedState && !options.KeepSkippedJobs)
        {
            context.JobExpirationTimeout = UnwantedJobIsKept;
        }
    }

    public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
    {
    }

    /// <summary>Whether a job that is running already is left to its first run; then the delivery is postponed.</summary>
    public bool LeavesRunning(
        BackgroundJob job, JobStorage storage, IStorageConnection connection, string? serverId, CancellationToken cancellationToken)
    {
        LockPolicy policy = PolicyOf(job.Job)!;
        LockExecution execution = new()
        {
            Policy = policy,
            Name = JobExecution.LockName(policy, job.Job),
            Scheduler = JobExecution.Scheduler,
            Job = job.Job.ToString(includeQueue: false),
            Execution = job.Id,
            Origin = ExecutionOrigin.Redelivery,
            Delivery = SecondDelivery.Describe(job, storage, isSecond: true),
            Workers = _workers.Of(storage, serverId),
        };
        if (WorkerThread.Wait(engine.LeavesRunningAsync(execution, cancellationToken)) is not { } postpone)
        {
            return false;
        }

        SecondDelivery.Postpone(storage, connection, job, time.GetUtcNow() + postpone.Delay);
        return true;
    }

    /// <summary>A worker is about to run a job.</summary>
    private void Begins(ElectStateContext context)
    {
        bool isLocked = !_ended && PolicyOf(context.BackgroundJob.Job) is not null;
        if (context.CurrentState == ProcessingState.StateName)
        {
            if (isLocked && NameOf(context.BackgroundJob.Job) is not null)
            {
                SecondDelivery.Elect(context, this, records);
            }

            return;
        }

        if (isLocked && context.CurrentState == ScheduledState.StateName)
        {
            SecondDelivery.ElectScheduled(context, this, records, time.GetUtcNow());
        }

        if (context.CandidateState is ProcessingState)
        {
            SkipEarly(context);
        }
    }

    /// <summary>
    /// Skips a first attempt before it is Processing, if this process alone can tell that it must be skipped. An election must not wait, so
    /// it does not ask the lock store; if anything is uncertain, the worker decides. Most storages are asked for each parameter of the
    /// job, which is worth it only if this process has the lock.
    /// </summary>
    private void SkipEarly(ElectStateContext context)
    {
        Job job = context.BackgroundJob.Job;
        if (_ended || PolicyOf(job) is not { } policy || NameOf(job) is not { } name || !engine.CouldSkipLocally(policy, name))
        {
            return;
        }

        // Marked as begun: if an operator starts the job again, that is a second attempt. If it cannot be written, the worker decides.
        if (Skips(context, policy) is (var skip, var origin, var record)
            && records.TryWrite(record with { Begun = true, Outcome = AttemptRecord.Skipped }, context))
        {
            context.CandidateState = new SkippedState(skip, origin);
        }
    }

    private (LockDecision.Skip Skip, ExecutionOrigin Origin, AttemptRecord Record)? Skips(ElectStateContext context, LockPolicy policy)
    {
        try
        {
            AttemptRecord record = AttemptRecord.Read(context.Connection, context.BackgroundJob);
            LockExecution execution = JobExecution.Describe(context, policy, record, recurring, installations) with
            {
                Delivery = SecondDelivery.Describe(context.BackgroundJob, context.Storage, isSecond: false),
            };
            return engine.SkipsLocally(execution) is { } skip ? (skip, execution.Origin, record) : null;
        }
        catch (Exception)
        {
            // A parameter of the job is wrong, or the storage does not answer. OnPerforming reads it again, and fails the job.
            return null;
        }
    }

    /// <summary>
    /// A job that came back from its deferral, or was woken, leaves its queue without a run: an operator has deleted it, or another
    /// filter has, <c>[LatencyTimeout]</c> for example. The next waiter must not wait for it.
    /// </summary>
    private void LeaveQueue(ApplyStateContext context)
    {
        BackgroundJob job = context.BackgroundJob;
        if (MayHaveWaited(job) && records.Left(context) is { State: { } state, Inner: var inner }
            && (inner ?? NameOf(job.Job)) is { } name)
        {
            engine.Gone(name, state);
        }
    }

    private JobDecision DoNotRun(
        LockExecution execution, LockDecision decision, AttemptRecord record, BackgroundJob stored, PerformingContext context)
    {
        try
        {
            string? coalesced = null;
            if (decision is LockDecision.Defer first && stored.Id == execution.Execution
                && PendingDeferrals.Most(execution, first) is { } most
                && PendingDeferrals.SetOf(execution, context.BackgroundJob.Job) is { } set)
            {
                coalesced = pending.Count(context.Connection, set, execution, first, most);
                record = record with { CountedIn = coalesced is null ? set : null };
            }

            return coalesced is null
                ? JobDecision.From(this, execution, decision, record, stored, context.Storage, records)
                : new JobDecision(this, execution, decision, record with { Outcome = AttemptRecord.Coalesced }) { Coalesced = coalesced };
        }
        catch when (decision is LockDecision.Defer defer)
        {
            defer.NotStored();
            throw;
        }
    }

    private void Begin(
        LockDecision.Run run, AttemptRecord record, BackgroundJob stored, SecondDelivery? second, PerformingContext context)
    {
        try
        {
            second?.TakeOver(context);
            EndWait(record, stored, context);
        }
        catch (Exception e)
        {
            // Hangfire calls OnPerformed only after an OnPerforming that returned.
            End(run, e, aborted: true);
            throw;
        }

        context.Items[Item] = new Running(this, run, LockedJobPerformer.GiveToken(context, run.Lease));
        run.Enter();
    }

    /// <summary>The wait of this attempt has ended. A later attempt counts its own deferrals, so that GiveUpAfter starts again.</summary>
    private void EndWait(AttemptRecord record, BackgroundJob stored, PerformingContext context)
    {
        if (record.CountedIn is { } set)
        {
            pending.Remove(context.Connection, set, stored.Id);
        }

        if (record.Deferral is not null || record.Outcome is not null)
        {
            new AttemptRecord { Begun = true }.Write(context.Connection, stored.Id);
        }
    }

    private static Exception? End(LockDecision.Run run, Exception? error, bool aborted) =>
        WorkerThread.Wait(run.EndAsync(error, aborted));

    private JobDecision? DecisionIn(IReadOnlyDictionary<string, object>? data) =>
        data is not null && data.TryGetValue(Item, out object? item) && item is JobDecision notRun && notRun.Filter == this ? notRun : null;

    /// <summary>If the parameters came with the job, they also show whether it is an outer job whose inner job was deferred.</summary>
    private bool MayHaveWaited(BackgroundJob job) =>
        job.ParametersSnapshot?.ContainsKey(AttemptRecord.Parameter) ?? PolicyOf(job.Job) is not null;

    private string? NameOf(Job? job)
    {
        try
        {
            return PolicyOf(job) is { } policy ? JobExecution.LockName(policy, job!) : null;
        }
        catch (TaskLockException)
        {
            return null; // The job failed with this error when it ran, and does not wait.
        }
    }

    private LockPolicy? PolicyOf(Job? job)
    {
        try
        {
            return job is null ? null : policies.Find(job.Type, job.Method);
        }
        catch (TaskLockException)
        {
            return null; // OnPerforming fails the job with it.
        }
    }

    private sealed record Running(TaskLockFilter Filter, LockDecision.Run Run, LockedJobToken? Token);
}
