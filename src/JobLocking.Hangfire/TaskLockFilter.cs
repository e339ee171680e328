using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Hangfire.Telemetry;
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
        TaskLockFilter filter = new(
            engine,
            policies,
            new ElectionRecords(logger),
            Installations.Of(engine, services),
            new RecurringJobs(time, logger),
            new PendingDeferrals(logger),
            UnsharedStorages.Of(services, policies, logger));
        LockAdapters adapters = Required<LockAdapters>();
        adapter = adapters.GetOrAdd(() => new HangfireAdapter(services, adapters, policies, logger));
        adapter.Add(filter);
        return filter;

        T Required<T>()
            where T : class =>
            (T?)services.GetService(typeof(T)) ?? throw new TaskLockException(
                "UseTaskLocks: JobLocking is not among the services it was given. Fix: call services.AddJobLocking().UseRedis(…) or .UseInMemory().");
    }

    /// <summary>The filter that has begun with an execution, which goes on with it.</summary>
    public static TaskLockFilter? Of(IReadOnlyDictionary<string, object>? data) =>
        data is null || !data.TryGetValue(Item, out object? item) ? null : (item as Running)?.Filter ?? (item as TurnedAway)?.Filter;

    /// <summary>The host was disposed. What runs ends as it would; nothing else begins.</summary>
    public void End() => _ended = true;

    /// <summary>The run of an execution that has its lock; null for any other.</summary>
    public static LockDecision.Run? RunOf(PerformContext context) =>
        context.Items.TryGetValue(Item, out object? item) && item is Running running ? running.Run : null;

    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;

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

        AttemptRecord record = AttemptRecord.Read(context.Connection, context.BackgroundJob);
        LockExecution execution =
            JobExecution.Describe(context, policy, record, recurring, installations) with { Workers = _workers.Of(context) };
        storages.Check(context.Storage, execution);
        if (!record.Begun)
        {
            // Before the lock: otherwise a process that dies with it leaves what looks like a first attempt, and that
            // would be skipped in favour of its own lease. Who would not be skipped at all needs no such write.
            record = record with { Begun = true };
            if (policy.MaySkip(execution.Origin))
            {
                record.Write(context.Connection, context.BackgroundJob.Id);
            }
        }

        LockDecision decision = Blocking.Wait(engine.DecideAsync(execution, context.CancellationToken.ShutdownToken));
        switch (decision)
        {
            case LockDecision.Run run:
                Begin(run, record, context);
                break;
            case LockDecision.Fail fail:
                EndWait(record, context);
                throw fail.Error;
            default:
                TurnAway(execution, decision, record, context);
                break;
        }
    }

    public void OnPerformed(PerformedContext context)
    {
        if (!context.Items.TryGetValue(Item, out object? item) || item is not Running running || running.Filter != this)
        {
            return;
        }

        context.Items.Remove(Item);
        Exception? error = context.Canceled ? new OperationCanceledException("Another filter cancelled the job.")
            : context.ExceptionHandled ? null : context.Exception;

        // As Hangfire itself sorts them: a job that cancels itself for a reason of its own arrives wrapped, and fails.
        bool aborted = context.Canceled || error is JobAbortedException
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
        else if (context.CandidateState is ProcessingState && context.CurrentState != ProcessingState.StateName)
        {
            Deflect(context);
        }
        else if (context.CandidateState is EnqueuedState { Queue: EnqueuedState.DefaultQueue } enqueued
            && context.CurrentState == ScheduledState.StateName && PolicyOf(context.BackgroundJob.Job) is not null)
        {
            enqueued.Queue = records.Queue(context) ?? enqueued.Queue;
        }
    }

    public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction) => TurnedAwayBy(context.CustomData)?.Apply(context, engine);

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

    private void TurnAway(LockExecution execution, LockDecision decision, AttemptRecord record, PerformingContext context)
    {
        try
        {
            string? coalesced = null;
            if (decision is LockDecision.Defer first && PendingDeferrals.Most(execution, first) is { } most)
            {
                coalesced = pending.Count(context.Connection, execution, first, most);
                record = record with { CountedIn = coalesced is null ? PendingDeferrals.SetOf(execution) : null };
            }

            context.Items[Item] = coalesced is null
                ? TurnedAway.From(this, execution, decision, record, context, records)
                : new TurnedAway(this, execution, decision, record with { Outcome = AttemptRecord.Coalesced }) { Coalesced = coalesced };
            context.Canceled = true;
        }
        catch when (decision is LockDecision.Defer defer)
        {
            engine.NotDeferred(defer);
            throw;
        }
    }

    private void Begin(LockDecision.Run run, AttemptRecord record, PerformingContext context)
    {
        try
        {
            EndWait(record, context);
        }
        catch (Exception e)
        {
            // Hangfire calls OnPerformed only after an OnPerforming that returned.
            End(run, e, aborted: true);
            throw;
        }

        context.Items[Item] = new Running(this, run);
        engine.Enter(run);
    }

    /// <summary>A later attempt counts its own deferrals: GiveUpAfter shall not run from a wait that ended long ago.</summary>
    private void EndWait(AttemptRecord record, PerformingContext context)
    {
        if (record.CountedIn is { } set)
        {
            pending.Remove(context.Connection, set, context.BackgroundJob.Id);
        }

        if (record.Deferrals > 0 || record.Outcome is not null)
        {
            new AttemptRecord { Begun = true }.Write(context.Connection, context.BackgroundJob.Id);
        }
    }

    private Exception? End(LockDecision.Run run, Exception? error, bool aborted) =>
        Blocking.Wait(engine.EndAsync(run, error, aborted));

    private TurnedAway? TurnedAwayBy(IReadOnlyDictionary<string, object>? data) =>
        data is not null && data.TryGetValue(Item, out object? item) && item is TurnedAway turnedAway && turnedAway.Filter == this ? turnedAway : null;

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
