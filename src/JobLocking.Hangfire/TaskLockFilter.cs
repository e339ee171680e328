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

namespace JobLocking.Hangfire;

/// <summary>Stands in front of every job of a server: describes the execution, asks the engine, has the decision carried out.</summary>
/// <remarks>
/// Server filters are synchronous. Blocking on the engine is sound here: filters run on the worker's own thread, which
/// Hangfire blocks for the whole job anyway, and which has no synchronization context.
/// </remarks>
internal sealed class TaskLockFilter(
    LockEngine engine,
    LockPolicies policies,
    ElectionRecords records,
    Installations installations,
    RecurringJobs recurring,
    PendingDeferrals pending,
    UnsharedStorages storages)
    : IServerFilter, IElectStateFilter, IApplyStateFilter, IJobFilter
{
    private const string Item = "JobLocking";

    /// <summary>Outermost: asks before other filters wait for anything, and elects before a deferred parent's continuations are looked at.</summary>
    public const int Outermost = -1000;

    private readonly ServerWorkers _workers = new();

    /// <summary>What was elected for outer jobs, until it is applied: the same change of state has the same instance of the job.</summary>
    private readonly ConditionalWeakTable<BackgroundJob, TurnedAway> _elected = [];

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
        DeclaredLocks.Check(policies);
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
            UnsharedStorages.Of(services, policies, logger));
        adapter.Add(filter);
        return filter;

        T Required<T>()
            where T : class =>
            (T?)services.GetService(typeof(T)) ?? throw new TaskLockException(
                "UseTaskLocks: JobLocking is not registered in the services that it received. Fix: call services.AddJobLocking().UseRedis(…) or .UseInMemory().");
    }

    /// <summary>The filter that has begun with an execution, which goes on with it.</summary>
    public static TaskLockFilter? Of(IReadOnlyDictionary<string, object>? data) =>
        data is null || !data.TryGetValue(Item, out object? item) ? null : (item as Running)?.Filter ?? (item as TurnedAway)?.Filter;

    /// <summary>The host was disposed. What runs ends as it would; nothing else begins.</summary>
    public void End() => _ended = true;

    /// <summary>The run of an execution that has its lock; null for any other.</summary>
    public static LockDecision.Run? RunOf(PerformContext context) =>
        context.Items.TryGetValue(Item, out object? item) && item is Running running ? running.Run : null;

    /// <remarks>
    /// A worker names its server in the context. Without that name, the context is one that a job made to perform another job inside
    /// itself, as Hangfire.DynamicJobs does. If this filter cancelled such an inner job, the outer job would succeed without the work.
    /// So the filter throws an exception instead.
    /// </remarks>
    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;
        bool isInner = context.ServerId is null;
        if (!isInner)
        {
            OuterJob.Begin(context.BackgroundJob);
        }

        // Met before: another filter, of the process or of a provider that keeps both, has taken the lock of this execution.
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

        // Its own execution has this very lock: it would wait for itself, and begin the outer job again and again.
        if (isInner && engine.IsHeldAround(JobExecution.LockName(policy, job)))
        {
            return;
        }

        OuterJob? outer = OuterJob.Current;
        BackgroundJob stored = isInner && outer is not null ? outer.Job : context.BackgroundJob;
        AttemptRecord before = outer?.Record ?? AttemptRecord.Read(context.Connection, stored);
        outer?.Record = before;
        AttemptRecord record = before.Of(inner: isInner ? JobExecution.LockName(policy, job) : null);
        LockExecution execution =
            JobExecution.Describe(context, policy, record, recurring, installations) with { Workers = _workers.Of(context) };
        if (!isInner)
        {
            storages.Check(context.Storage, execution);
        }

        if (!record.Begun)
        {
            // Before the lock: otherwise a process that dies with it leaves what looks like a first attempt, and that
            // would be skipped in favour of its own lease. Who would not be skipped at all needs no such write.
            record = record with { Begun = true };
            if (policy.MaySkip(execution.Origin))
            {
                record.Write(context.Connection, stored.Id);
            }
        }

        LockDecision decision = Blocking.Wait(engine.DecideAsync(execution, context.CancellationToken.ShutdownToken));
        switch (decision)
        {
            case LockDecision.Run run:
                Begin(run, record, stored, context);
                break;
            case LockDecision.Fail fail:
                EndWait(record, stored, context);
                throw fail.Error;
            default:
                TurnedAway turnedAway = TurnAway(execution, decision, record, stored, context);
                if (isInner)
                {
                    throw Thrown(turnedAway, outer);
                }

                if (before is { Inner: { } innerLock, State: { } waits })
                {
                    // The inner job may have been woken, and waits no more before the outer one runs.
                    engine.Gone(innerLock, waits);
                }

                context.Items[Item] = turnedAway;
                context.Canceled = true;
                break;
        }
    }

    public void OnPerformed(PerformedContext context)
    {
        TurnedAway? inner = context.ExceptionHandled ? null : InnerJobTurnedAwayException.Of(context.Exception)?.TurnedAway;
        Running? running = context.Items.TryGetValue(Item, out object? item) && item is Running mine && mine.Filter == this ? mine : null;
        if (running is not null)
        {
            context.Items.Remove(Item);
        }

        if (context.ServerId is not null)
        {
            EndInnerJobs(context, inner);
        }

        if (running is null)
        {
            return;
        }

        Exception? error = context.Canceled ? new OperationCanceledException("Another filter cancelled the job.")
            : context.ExceptionHandled ? null : context.Exception;

        // As Hangfire itself sorts them: a job that cancels itself for a reason of its own arrives wrapped, and fails.
        bool aborted = context.Canceled || inner is not null || error is JobAbortedException
            || (error is OperationCanceledException && context.CancellationToken.ShutdownToken.IsCancellationRequested);
        Exception? instead = End(running.Run, error is JobPerformanceException { InnerException: { } thrown } ? thrown : error, aborted);
        if (instead is not null && !aborted)
        {
            throw instead;
        }
    }

    /// <remarks>Hangfire repeats an election that throws, blocks a worker over it and ends it with filters off: nothing here may fail for our reasons.</remarks>
    public void OnStateElection(ElectStateContext context)
    {
        if (context.CandidateState is WokenState woken)
        {
            woken.Deferral.Admit(context, records);
        }
        else if (TurnedAwayBy(context.CustomData?.AsReadOnly()) is { } turnedAway)
        {
            turnedAway.Elect(context, records);
        }
        else if (context.CandidateState is FailedState { Exception: var error }
            && InnerJobTurnedAwayException.Of(error) is { TurnedAway: var inner } && inner.Filter == this)
        {
            inner.Elect(context, records);
            _elected.AddOrUpdate(context.BackgroundJob, inner);
        }
        else if (context.CandidateState is ProcessingState && context.CurrentState != ProcessingState.StateName)
        {
            Deflect(context);
        }
        else if (context.CandidateState is EnqueuedState { Queue: EnqueuedState.DefaultQueue } enqueued
            && context.CurrentState == ScheduledState.StateName && MayHaveWaited(context.BackgroundJob))
        {
            enqueued.Queue = records.Queue(context) ?? enqueued.Queue;
        }
    }

    public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
    {
        if (TurnedAwayBy(context.CustomData) is { } turnedAway || _elected.TryGetValue(context.BackgroundJob, out turnedAway))
        {
            turnedAway.Apply(context);
        }
        else if (context.OldStateName == EnqueuedState.StateName
            && context.NewState.Name != EnqueuedState.StateName && context.NewState.Name != ProcessingState.StateName)
        {
            PassOn(context);
        }
    }

    public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
    {
    }

    /// <summary>
    /// Skips a first attempt before it costs anything, where this process knows that it would be skipped: an election must not
    /// wait, so that neither the lock's store nor the job's storage is asked. Whatever is uncertain goes on to the worker.
    /// </summary>
    private void Deflect(ElectStateContext context)
    {
        if (_ended || context.BackgroundJob.ParametersSnapshot is null || PolicyOf(context.BackgroundJob.Job) is not { } policy)
        {
            return;
        }

        AttemptRecord record = AttemptRecord.Read(context.Connection, context.BackgroundJob);

        // As if a worker had begun it: an operator who starts it again wants it done. Where that cannot be written the worker decides.
        if (Skips(context, policy, record) is { } skip
            && records.TryWrite(record with { Begun = true, Outcome = AttemptRecord.Skipped }, context))
        {
            context.CandidateState = new DeletedState { Reason = TurnedAway.Reason(skip) };
        }
    }

    private LockDecision.Skip? Skips(ElectStateContext context, LockPolicy policy, AttemptRecord record)
    {
        try
        {
            return engine.SkipsLocally(JobExecution.Describe(context, policy, record, recurring, installations));
        }
        catch (Exception)
        {
            return null; // The job's own arguments and parameters are read. OnPerforming reads them again, and fails the job.
        }
    }

    /// <summary>
    /// A job that came back from its deferral, or was woken, and that leaves its queue without being run: an operator has deleted it,
    /// or another filter did, <c>[LatencyTimeout]</c> for example. The next that waits must not wait for it.
    /// </summary>
    private void PassOn(ApplyStateContext context)
    {
        BackgroundJob job = context.BackgroundJob;
        if (MayHaveWaited(job) && records.Left(context) is { State: { } state, Inner: var inner }
            && (inner ?? NameOf(job.Job)) is { } name)
        {
            engine.Gone(name, state);
        }
    }

    private static InnerJobTurnedAwayException Thrown(TurnedAway turnedAway, OuterJob? outer)
    {
        if (outer?.TryAdd(turnedAway) != true)
        {
            Leave(turnedAway);
        }

        string reason = turnedAway.Decision is LockDecision.Skip skip ? skip.Reason : ((LockDecision.Defer)turnedAway.Decision).Reason;
        return new InnerJobTurnedAwayException(turnedAway, reason);
    }

    /// <summary>What the outer job did not let pass is its own affair: the inner one waits no more.</summary>
    private void EndInnerJobs(PerformedContext context, TurnedAway? passed)
    {
        foreach (TurnedAway other in OuterJob.End(context.BackgroundJob).Where(one => one != passed))
        {
            Leave(other);
            if (passed is null)
            {
                records.InnerJobIgnored(other, context.BackgroundJob.Id);
            }
        }

        // An exception filter may still handle it. Then Hangfire hands this to the election, in place of the exception.
        if (passed is not null && passed.Filter == this)
        {
            context.Items.TryAdd(Item, passed);
        }
    }

    private static void Leave(TurnedAway turnedAway)
    {
        if (turnedAway.Decision is LockDecision.Defer defer)
        {
            defer.NotStored();
        }
    }

    private TurnedAway TurnAway(
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
                ? TurnedAway.From(this, execution, decision, record, stored, context.Storage, records)
                : new TurnedAway(this, execution, decision, record with { Outcome = AttemptRecord.Coalesced }) { Coalesced = coalesced };
        }
        catch when (decision is LockDecision.Defer defer)
        {
            defer.NotStored();
            throw;
        }
    }

    private void Begin(LockDecision.Run run, AttemptRecord record, BackgroundJob stored, PerformingContext context)
    {
        try
        {
            EndWait(record, stored, context);
        }
        catch (Exception e)
        {
            // Hangfire calls OnPerformed only after an OnPerforming that returned.
            End(run, e, aborted: true);
            throw;
        }

        context.Items[Item] = new Running(this, run);
        run.Enter();
    }

    /// <summary>A later attempt counts its own deferrals: GiveUpAfter shall not run from a wait that ended long ago.</summary>
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
        Blocking.Wait(run.EndAsync(error, aborted));

    private TurnedAway? TurnedAwayBy(IReadOnlyDictionary<string, object>? data) =>
        data is not null && data.TryGetValue(Item, out object? item) && item is TurnedAway turnedAway && turnedAway.Filter == this ? turnedAway : null;

    /// <summary>Where the parameters came with the job, an outer job whose inner one was deferred is known as well.</summary>
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
            return null; // It failed with that when it ran, and waits for nothing.
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

    private sealed record Running(TaskLockFilter Filter, LockDecision.Run Run);
}
